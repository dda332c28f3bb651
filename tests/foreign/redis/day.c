/* A day's work of hiredis at the doors of several members, over RESP2.
 *
 *   cc -o day day.c -lhiredis && ./day HOST PORT PORT...
 *
 * It ends with the first answer that is not what Redis says, and prints counts in one line of JSON if there is none. What
 * it writes begins with the name of the day; it leaves one key, so that others can read what it wrote.
 */

#include <hiredis/hiredis.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#define DOORS_MAX 8
#define PLAIN 60
#define PIPELINED 300
#define COUNTS_EACH 50
#define MOVES_EACH 10
#define LARGE 100000
#define PATIENCE_S 60
#define LOOK_AGAIN_MS 10
#define KEYS_MAX 4096
#define KEY_BYTES_MAX 400

/* The keys of this day, each in a slot of its own; and those that are in one. */
#define KEY "c2:"
#define BESIDE "c2:{beside}:"

static redisContext *doors[DOORS_MAX];
static int doors_count;
static int errors;
static unsigned char every_byte[256];
static unsigned char large[LARGE + 256];

static void fail(const char *format, ...) {
    va_list args;
    va_start(args, format);
    fputs("day.c: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

/* What a reply is, in few words. */
static const char *shown(const redisReply *reply) {
    static char text[200];
    switch (reply->type) {
    case REDIS_REPLY_INTEGER: snprintf(text, sizeof text, "%lld", reply->integer); break;
    case REDIS_REPLY_NIL: snprintf(text, sizeof text, "nil"); break;
    case REDIS_REPLY_ARRAY: snprintf(text, sizeof text, "an array of %zu", reply->elements); break;
    default: snprintf(text, sizeof text, "'%.150s' of type %d", reply->str, reply->type);
    }
    return text;
}

static redisReply *checked(redisContext *door, redisReply *reply, const char *what) {
    if (reply == NULL) fail("%s: %s", what, door->errstr);
    return reply;
}

/* The reply to a command, of whatever kind. */
static redisReply *ask(int door, const char *format, ...) {
    va_list args;
    va_start(args, format);
    redisReply *reply = redisvCommand(doors[door], format, args);
    va_end(args);
    return checked(doors[door], reply, format);
}

/* The reply to a command that was sent before. */
static redisReply *next(int door) {
    void *reply = NULL;
    redisGetReply(doors[door], &reply);
    return checked(doors[door], reply, "a reply in a pipeline");
}

/* Each of these ends the day unless a reply is as expected, and frees it. */

static void is_bytes(const char *what, redisReply *reply, const void *bytes, size_t length) {
    if (reply->type != REDIS_REPLY_STRING || reply->len != length || memcmp(reply->str, bytes, length) != 0)
        fail("%s: %s, and not these %zu bytes", what, shown(reply), length);
    freeReplyObject(reply);
}

static void is_text(const char *what, redisReply *reply, const char *text) {
    int fits = reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS;
    if (!fits || strcmp(reply->str, text) != 0) fail("%s: %s, and not '%s'", what, shown(reply), text);
    freeReplyObject(reply);
}

static void is_int(const char *what, redisReply *reply, long long wanted) {
    if (reply->type != REDIS_REPLY_INTEGER || reply->integer != wanted)
        fail("%s: %s, and not %lld", what, shown(reply), wanted);
    freeReplyObject(reply);
}

static void is_within(const char *what, redisReply *reply, long long low, long long high) {
    if (reply->type != REDIS_REPLY_INTEGER || reply->integer < low || reply->integer > high)
        fail("%s: %s, and not from %lld to %lld", what, shown(reply), low, high);
    freeReplyObject(reply);
}

static void is_nil(const char *what, redisReply *reply) {
    if (reply->type != REDIS_REPLY_NIL) fail("%s: %s, and not nil", what, shown(reply));
    freeReplyObject(reply);
}

static void is_ok(const char *what, redisReply *reply) {
    if (reply->type != REDIS_REPLY_STATUS || strcmp(reply->str, "OK") != 0) fail("%s: %s", what, shown(reply));
    freeReplyObject(reply);
}

static void is_queued(const char *what, redisReply *reply) {
    if (reply->type != REDIS_REPLY_STATUS || strcmp(reply->str, "QUEUED") != 0) fail("%s: %s", what, shown(reply));
    freeReplyObject(reply);
}

static void is_error(const char *what, redisReply *reply, const char *words) {
    if (reply->type != REDIS_REPLY_ERROR || strncmp(reply->str, words, strlen(words)) != 0)
        fail("%s: %s, and not the error '%s'", what, shown(reply), words);
    freeReplyObject(reply);
}

/* The same of what was wrong on purpose, which is counted. */
static void is_wrong(const char *what, redisReply *reply, const char *words) {
    is_error(what, reply, words);
    errors += 1;
}

static long long number(const char *what, redisReply *reply) {
    if (reply->type != REDIS_REPLY_STRING) fail("%s: %s, and not a number", what, shown(reply));
    long long value = atoll(reply->str);
    freeReplyObject(reply);
    return value;
}

/* A part of an array, to be judged by the above: it is freed with them, and not with the array. */
static redisReply *part(const char *what, redisReply *reply, size_t place) {
    if (reply->type != REDIS_REPLY_ARRAY || place >= reply->elements) fail("%s: %s", what, shown(reply));
    redisReply *taken = reply->element[place];
    reply->element[place] = NULL;
    return taken;
}

/* Keys that a scan gave. */
struct keys {
    size_t count;
    char key[KEYS_MAX][KEY_BYTES_MAX];
};

static int by_bytes(const void *one, const void *other) {
    return strcmp(one, other);
}

/* All keys that match, in order; none may come twice. */
static struct keys *scanned(int door, const char *match, int count) {
    static struct keys found;
    char cursor[32] = "0";
    found.count = 0;
    do {
        redisReply *reply = ask(door, "SCAN %s MATCH %s COUNT %d", cursor, match, count);
        redisReply *next_cursor = part("SCAN", reply, 0), *page = part("SCAN", reply, 1);
        snprintf(cursor, sizeof cursor, "%s", next_cursor->str);
        for (size_t n = 0; n < page->elements; n++) {
            if (found.count == KEYS_MAX) fail("SCAN: more than %d keys", KEYS_MAX);
            snprintf(found.key[found.count++], KEY_BYTES_MAX, "%s", page->element[n]->str);
        }
        freeReplyObject(next_cursor);
        freeReplyObject(page);
        freeReplyObject(reply);
    } while (strcmp(cursor, "0") != 0);
    qsort(found.key, found.count, KEY_BYTES_MAX, by_bytes);
    for (size_t n = 1; n < found.count; n++)
        if (strcmp(found.key[n - 1], found.key[n]) == 0) fail("SCAN: %s comes twice", found.key[n]);
    return &found;
}

static void greet(void) {
    /* What an earlier day left that ended in the middle. */
    struct keys *left = scanned(0, KEY "*", 1000);
    for (size_t n = 0; n < left->count; n++) is_int("DEL", ask(0, "DEL %s", left->key[n]), 1);
    for (int door = 0; door < doors_count; door++) {
        is_text("PING", ask(door, "PING"), "PONG");
        is_bytes("ECHO", ask(door, "ECHO %b", every_byte, sizeof every_byte), every_byte, sizeof every_byte);
        is_ok("CLIENT SETNAME", ask(door, "CLIENT SETNAME c2"));
        is_text("CLIENT GETNAME", ask(door, "CLIENT GETNAME"), "c2");
    }
}

/* What one door is told another gives. */
static void write_and_read(void) {
    int last = doors_count - 1;
    char text[32];
    for (int n = 0; n < PLAIN; n++) is_ok("SET", ask(n % doors_count, "SET " KEY "plain:%d value:%d", n, n));
    for (int n = 0; n < PLAIN; n++) {
        snprintf(text, sizeof text, "value:%d", n);
        is_text("GET", ask((n + 1) % doors_count, "GET " KEY "plain:%d", n), text);
    }
    is_nil("GET of nothing", ask(0, "GET " KEY "nothing"));
    is_ok("MSET", ask(0, "MSET " KEY "m1 a " KEY "m2 b"));
    redisReply *many = ask(last, "MGET " KEY "m1 " KEY "nothing " KEY "m2");
    is_text("MGET", part("MGET", many, 0), "a");
    is_nil("MGET", part("MGET", many, 1));
    is_text("MGET", part("MGET", many, 2), "b");
    freeReplyObject(many);
    is_nil("SET NX", ask(0, "SET " KEY "plain:0 x NX"));
    is_nil("SET XX", ask(last, "SET " KEY "nothing x XX"));
    is_text("SET GET", ask(last, "SET " KEY "plain:0 new GET"), "value:0");
    is_int("DEL", ask(last, "DEL " KEY "m1 " KEY "m2 " KEY "nothing"), 2);
    is_int("EXISTS", ask(0, "EXISTS " KEY "m1 " KEY "m2"), 0);
}

/* Answers come in the order of the questions, at all doors at once. */
static void pipeline(void) {
    char text[32];
    for (int n = 0; n < PIPELINED; n++) {
        redisContext *door = doors[n % doors_count];
        redisAppendCommand(door, "SET " KEY "piped:%d %d", n, n);
        redisAppendCommand(door, "APPEND " KEY "piped:%d !", n);
        redisAppendCommand(door, "GET " KEY "piped:%d", n);
    }
    for (int n = 0; n < PIPELINED; n++) {
        int length = snprintf(text, sizeof text, "%d!", n);
        is_ok("SET in a pipeline", next(n % doors_count));
        is_int("APPEND in a pipeline", next(n % doors_count), length);
        is_text("GET in a pipeline", next(n % doors_count), text);
    }
    /* An error in a pipeline is the answer of its command alone. */
    redisAppendCommand(doors[0], "INCR " KEY "piped:0");
    redisAppendCommand(doors[0], "GET " KEY "piped:0");
    is_wrong("INCR in a pipeline", next(0), "ERR value is not an integer");
    is_text("GET in a pipeline", next(0), "0!");
}

/* No door counts what another counted. */
static long long count(void) {
    int last = doors_count - 1, counted = COUNTS_EACH * doors_count;
    char *seen = calloc(counted + 1, 1);
    for (int n = 0; n < counted; n++) redisAppendCommand(doors[n % doors_count], "INCR " KEY "count");
    for (int n = 0; n < counted; n++) {
        redisReply *reply = next(n % doors_count);
        if (reply->type != REDIS_REPLY_INTEGER || reply->integer < 1 || reply->integer > counted || seen[reply->integer]++)
            fail("INCR: %s, of %d, or again", shown(reply), counted);
        freeReplyObject(reply);
    }
    free(seen);
    is_int("INCRBY", ask(last, "INCRBY " KEY "count 1099511627776"), counted + 1099511627776LL);
    is_int("DECRBY", ask(0, "DECRBY " KEY "count 1099511627776"), counted);
    is_int("DECR", ask(last, "DECR " KEY "down"), -1);
    is_text("INCRBYFLOAT", ask(0, "INCRBYFLOAT " KEY "float 10.25"), "10.25");
    is_text("INCRBYFLOAT", ask(last, "INCRBYFLOAT " KEY "float -0.75"), "9.5");
    return number("GET of a counter", ask(last, "GET " KEY "count"));
}

/* What ends, ends at every door; what is kept is kept. */
static void expire(void) {
    int last = doors_count - 1;
    is_ok("SET PX", ask(0, "SET " KEY "short lived PX 300"));
    time_t deadline = time(NULL) + PATIENCE_S;
    for (int door = 0; door < doors_count; door++) {
        for (int is_over = 0; !is_over;) {
            redisReply *reply = ask(door, "GET " KEY "short");
            is_over = reply->type == REDIS_REPLY_NIL;
            freeReplyObject(reply);
            if (time(NULL) > deadline) fail("waited in vain until it is over");
            if (!is_over) poll(NULL, 0, LOOK_AGAIN_MS);
        }
        is_int("TTL of what is over", ask(door, "TTL " KEY "short"), -2);
    }
    is_ok("SET EX", ask(0, "SET " KEY "long lived EX 1000"));
    is_within("TTL", ask(last, "TTL " KEY "long"), 901, 1000);
    is_within("PTTL", ask(last, "PTTL " KEY "long"), 900001, 1000000);
    is_ok("SET KEEPTTL", ask(last, "SET " KEY "long lives KEEPTTL"));
    is_within("TTL", ask(0, "TTL " KEY "long"), 901, 1000);
    is_int("EXPIRE NX", ask(0, "EXPIRE " KEY "long 5000 NX"), 0);
    is_int("EXPIRE GT", ask(0, "EXPIRE " KEY "long 5000 GT"), 1);
    is_text("GETEX PERSIST", ask(last, "GETEX " KEY "long PERSIST"), "lives");
    is_int("TTL of what has no end", ask(0, "TTL " KEY "long"), -1);
    is_int("PERSIST of what has no end", ask(0, "PERSIST " KEY "long"), 0);
    is_int("EXPIREAT of long ago", ask(last, "EXPIREAT " KEY "long 1000"), 1);
    is_nil("GET of what is over", ask(0, "GET " KEY "long"));
}

/* Keys and values are bytes, whichever. */
static void bytes_and_letters(void) {
    int last = doors_count - 1;
    unsigned char key[3 + sizeof every_byte] = KEY;
    memcpy(key + 3, every_byte, sizeof every_byte);
    is_ok("SET of every byte", ask(0, "SET %b %b", key, sizeof key, every_byte, sizeof every_byte));
    is_bytes("GET of every byte", ask(last, "GET %b", key, sizeof key), every_byte, sizeof every_byte);
    is_int("BITCOUNT", ask(0, "BITCOUNT %b", key, sizeof key), 1024);
    is_bytes("GETRANGE", ask(0, "GETRANGE %b 250 -1", key, sizeof key), every_byte + 250, 6);
    is_int("DEL of every byte", ask(last, "DEL %b", key, sizeof key), 1);
    is_ok("SET of letters", ask(last, "SET %s %s", KEY "grüße:日本:🦀", "žluťoučký 🐎"));
    is_text("GET of letters", ask(0, "GET %s", KEY "grüße:日本:🦀"), "žluťoučký 🐎");
    is_int("STRLEN of letters", ask(0, "STRLEN %s", KEY "grüße:日本:🦀"), strlen("žluťoučký 🐎"));
    is_ok("SET of a large value", ask(0, "SET " KEY "large %b", large, (size_t)LARGE));
    is_bytes("GET of a large value", ask(last, "GET " KEY "large"), large, LARGE);
    is_int("APPEND to a large value", ask(last, "APPEND " KEY "large %b", every_byte, sizeof every_byte), sizeof large);
    is_int("SETRANGE in a large value", ask(0, "SETRANGE " KEY "large 50000 here"), sizeof large);
    memcpy(large + LARGE, every_byte, sizeof every_byte);
    memcpy(large + 50000, "here", 4);
    is_bytes("GET of a changed large value", ask(last, "GET " KEY "large"), large, sizeof large);
    is_ok("SET of nothing", ask(0, "SET " KEY "empty %s", ""));
    is_text("GET of nothing", ask(last, "GET " KEY "empty"), "");
}

/* Bits, parts and names. */
static void edit(void) {
    int last = doors_count - 1;
    is_int("SETBIT", ask(0, "SETBIT " KEY "bits 7 1"), 0);
    is_int("GETBIT", ask(last, "GETBIT " KEY "bits 7"), 1);
    is_int("BITPOS", ask(last, "BITPOS " KEY "bits 1"), 7);
    redisReply *fields = ask(0, "BITFIELD " KEY "bits SET u8 8 200 INCRBY u8 8 10 GET i8 8");
    is_int("BITFIELD SET", part("BITFIELD", fields, 0), 0);
    is_int("BITFIELD INCRBY", part("BITFIELD", fields, 1), 210);
    is_int("BITFIELD GET", part("BITFIELD", fields, 2), -46);
    freeReplyObject(fields);
    is_ok("SET", ask(0, "SET " BESIDE "text ohmytext"));
    is_ok("RENAME", ask(last, "RENAME " BESIDE "text " BESIDE "other"));
    is_int("COPY", ask(0, "COPY " BESIDE "other " BESIDE "text"), 1);
    is_ok("SET", ask(last, "SET " BESIDE "other mynewtext"));
    is_text("LCS", ask(0, "LCS " BESIDE "text " BESIDE "other"), "mytext");
    is_text("GETDEL", ask(last, "GETDEL " BESIDE "text"), "ohmytext");
    is_nil("GETDEL", ask(last, "GETDEL " BESIDE "text"));
    is_text("TYPE", ask(0, "TYPE " KEY "bits"), "string");
    is_text("TYPE", ask(0, "TYPE " BESIDE "text"), "none");
}

/* A transaction is done whole, or not at all. */
static void transact(void) {
    int last = doors_count - 1;
    is_ok("MULTI", ask(0, "MULTI"));
    is_queued("SET", ask(0, "SET " BESIDE "one 1"));
    is_queued("INCR", ask(0, "INCR " BESIDE "one"));
    is_queued("SET", ask(0, "SET " BESIDE "other x"));
    is_queued("INCR", ask(0, "INCR " BESIDE "other"));
    is_queued("GET", ask(0, "GET " BESIDE "one"));
    redisReply *done = ask(0, "EXEC");
    is_ok("SET", part("EXEC", done, 0));
    is_int("INCR", part("EXEC", done, 1), 2);
    is_ok("SET", part("EXEC", done, 2));
    is_error("INCR", part("EXEC", done, 3), "ERR value is not an integer");
    is_text("GET", part("EXEC", done, 4), "2");
    freeReplyObject(done);

    is_ok("WATCH", ask(0, "WATCH " BESIDE "one"));
    is_text("GET of what is watched", ask(0, "GET " BESIDE "one"), "2");
    is_ok("SET by another", ask(last, "SET " BESIDE "one changed"));
    is_ok("MULTI", ask(0, "MULTI"));
    is_queued("SET", ask(0, "SET " BESIDE "one lost"));
    is_nil("EXEC of what changed", ask(0, "EXEC"));
    errors += 1;
    is_text("GET of what changed", ask(last, "GET " BESIDE "one"), "changed");
    is_ok("WATCH", ask(0, "WATCH " BESIDE "one " BESIDE "other"));
    is_ok("MULTI", ask(0, "MULTI"));
    is_queued("SET", ask(0, "SET " BESIDE "one done"));
    redisReply *stayed = ask(0, "EXEC");
    is_ok("EXEC of what stayed", part("EXEC of what stayed", stayed, 0));
    freeReplyObject(stayed);
    is_text("GET of what was done", ask(last, "GET " BESIDE "one"), "done");

    /* What cannot be queued breaks the whole. */
    is_ok("MULTI", ask(0, "MULTI"));
    is_queued("SET", ask(0, "SET " BESIDE "one lost"));
    is_wrong("SET", ask(0, "SET " BESIDE "one"), "ERR wrong number of arguments for 'set' command");
    is_error("EXEC of what was refused", ask(0, "EXEC"), "EXECABORT ");
    is_ok("MULTI", ask(0, "MULTI"));
    is_queued("DEL", ask(0, "DEL " BESIDE "one"));
    is_ok("DISCARD", ask(0, "DISCARD"));
    is_text("GET of what was left", ask(last, "GET " BESIDE "one"), "done");
}

/* Money between accounts, watched, at all doors in turn while the others are in the middle: none is lost, none is made. */
static long long move(void) {
    int last = doors_count - 1, moves = MOVES_EACH * doors_count, left[DOORS_MAX], there[DOORS_MAX];
    is_ok("MSET", ask(0, "MSET " BESIDE "giver %d " BESIDE "taker 0", moves));
    for (int done = 0, refused = 0; done < moves;) {
        for (int door = 0; door < doors_count; door++) {
            is_ok("WATCH", ask(door, "WATCH " BESIDE "giver " BESIDE "taker"));
            left[door] = (int)number("GET", ask(door, "GET " BESIDE "giver"));
            there[door] = (int)number("GET", ask(door, "GET " BESIDE "taker"));
        }
        for (int door = 0; door < doors_count; door++) {
            redisAppendCommand(doors[door], "MULTI");
            redisAppendCommand(doors[door], "SET " BESIDE "giver %d", left[door] - 1);
            redisAppendCommand(doors[door], "SET " BESIDE "taker %d", there[door] + 1);
            redisAppendCommand(doors[door], "EXEC");
        }
        int won = 0;
        for (int door = 0; door < doors_count; door++) {
            is_ok("MULTI", next(door));
            is_queued("SET", next(door));
            is_queued("SET", next(door));
            redisReply *reply = next(door);
            if (reply->type != REDIS_REPLY_NIL && reply->type != REDIS_REPLY_ARRAY) fail("EXEC: %s", shown(reply));
            won += reply->type == REDIS_REPLY_ARRAY;
            freeReplyObject(reply);
        }
        /* All saw the same. */
        if (won > 1) fail("%d transactions of one state were done", won);
        done += won;
        refused += won == 0;
        if (refused > moves) fail("no transaction was done %d times", refused);
    }
    redisReply *after = ask(last, "MGET " BESIDE "giver " BESIDE "taker");
    is_text("what is left", part("MGET", after, 0), "0");
    long long moved = number("what was moved", part("MGET", after, 1));
    freeReplyObject(after);
    return moved;
}

static redisContext *connect_to(const char *host, const char *port) {
    struct timeval patience = {PATIENCE_S, 0};
    redisContext *door = redisConnectWithTimeout(host, atoi(port), patience);
    if (door == NULL || door->err) fail("%s %s: %s", host, port, door ? door->errstr : "no memory");
    redisSetTimeout(door, patience);
    return door;
}

/* Wrong commands get the error that they get of Redis. */
static void err(const char *host, const char *port) {
    int last = doors_count - 1;
    is_wrong("INCR", ask(0, "INCR " KEY "plain:1"), "ERR value is not an integer or out of range");
    is_wrong("NOSUCH", ask(0, "NOSUCH " KEY "plain:1"), "ERR unknown command 'NOSUCH'");
    is_wrong("GET", ask(0, "GET"), "ERR wrong number of arguments for 'get' command");
    is_wrong("SET SOON", ask(0, "SET " KEY "plain:1 x SOON"), "ERR syntax error");
    is_wrong("SET EX 0", ask(0, "SET " KEY "plain:1 x EX 0"), "ERR invalid expire time in 'set' command");
    is_wrong("SETBIT", ask(0, "SETBIT " KEY "plain:1 -1 1"), "ERR bit offset is not an integer or out of range");
    is_wrong("RENAME", ask(0, "RENAME " BESIDE "gone " BESIDE "away"), "ERR no such key");
    is_wrong("SELECT", ask(0, "SELECT 17"), "ERR DB index is out of range");
    is_wrong("EXEC", ask(0, "EXEC"), "ERR EXEC without MULTI");
    is_wrong("MSETNX", ask(0, "MSETNX " KEY "a 1 " KEY "b 2"), "CROSSSLOT ");
    is_text("GET after errors", ask(last, "GET " KEY "plain:1"), "value:1");
    /* A connection that was killed says so, and a new one is a new client. */
    redisContext *other = connect_to(host, port);
    redisReply *id = checked(other, redisCommand(other, "CLIENT ID"), "CLIENT ID");
    is_int("CLIENT KILL", ask(0, "CLIENT KILL ID %lld", id->integer), 1);
    if (redisCommand(other, "PING") != NULL || other->err == 0) fail("PING on a killed connection was answered");
    errors += 1;
    if (redisReconnect(other) != REDIS_OK) fail("a new connection: %s", other->errstr);
    redisReply *again = checked(other, redisCommand(other, "CLIENT ID"), "CLIENT ID");
    is_within("a new number", again, id->integer + 1, id->integer + 1000000);
    freeReplyObject(id);
    redisFree(other);
}

/* A scan gives every key once, and no other. */
static size_t scan(void) {
    char key[KEY_BYTES_MAX];
    for (int door = 0; door < doors_count; door++) {
        /* In some pages, and in one. */
        struct keys *found = scanned(door, KEY "piped:*", door == 0 ? 100 : 1000);
        if (found->count != PIPELINED) fail("SCAN: %zu keys, and not %d", found->count, PIPELINED);
        for (int n = 0; n < PIPELINED; n++) {
            snprintf(key, sizeof key, KEY "piped:%d", n);
            if (!bsearch(key, found->key, found->count, KEY_BYTES_MAX, by_bytes)) fail("SCAN: no %s", key);
        }
    }
    size_t some = scanned(doors_count - 1, KEY "piped:?", 1000)->count;
    if (some != 10) fail("SCAN of some: %zu keys, and not 10", some);
    return PIPELINED;
}

/* All is deleted but what others are to read. */
static size_t leave(void) {
    static unsigned char left[100 * sizeof every_byte];
    for (int n = 0; n < 100; n++) memcpy(left + n * sizeof every_byte, every_byte, sizeof every_byte);
    struct keys *mine = scanned(doors_count - 1, KEY "*", 1000);
    size_t deleted = mine->count;
    for (size_t n = 0; n < deleted; n++) redisAppendCommand(doors[0], "UNLINK %s", mine->key[n]);
    for (size_t n = 0; n < deleted; n++) is_int("UNLINK", next(0), 1);
    is_ok("SET", ask(0, "SET " KEY "left %b", left, sizeof left));
    mine = scanned(doors_count - 1, KEY "*", 1000);
    if (mine->count != 1 || strcmp(mine->key[0], KEY "left") != 0) fail("%zu keys are left", mine->count);
    for (int door = 0; door < doors_count; door++) {
        is_ok("QUIT", ask(door, "QUIT"));
        redisFree(doors[door]);
    }
    return deleted;
}

int main(int argc, char **argv) {
    if (argc < 3 || argc > 2 + DOORS_MAX) fail("HOST PORT PORT...");
    for (int n = 0; n < 256; n++) every_byte[n] = (unsigned char)n;
    for (long long n = 0; n < LARGE; n++) large[n] = (unsigned char)(n * n % 251);
    for (; doors_count < argc - 2; doors_count++) doors[doors_count] = connect_to(argv[1], argv[2 + doors_count]);
    greet();
    write_and_read();
    pipeline();
    long long counted = count();
    expire();
    bytes_and_letters();
    edit();
    transact();
    long long committed = move();
    err(argv[1], argv[2]);
    size_t found = scan(), deleted = leave();
    printf("{\"client\": \"hiredis %d.%d.%d\", \"days\": [{\"protocol\": 2, \"errors\": %d, \"counted\": %lld, "
           "\"committed\": %lld, \"scanned\": %zu, \"deleted\": %zu}]}\n",
           HIREDIS_MAJOR, HIREDIS_MINOR, HIREDIS_PATCH, errors, counted, committed, found, deleted);
    return 0;
}
