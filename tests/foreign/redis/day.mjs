// A day's work of ioredis at the doors of several members, over RESP2 and over RESP3.
//
//   node day.mjs HOST PORT PORT...
//
// It ends with the first answer that is not what Redis says, and prints counts in one line of JSON if there is none. What
// it writes begins with the name of the day; it leaves one key, so that others can read what it wrote.

import { isDeepStrictEqual, inspect } from 'node:util'
import { createRequire } from 'node:module'
import { Cluster, ReplyError, Redis } from 'ioredis'

const PLAIN = 60
const PIPELINED = 300
const COUNTS_EACH = 50
const MOVES_EACH = 10
const PATIENCE_MS = 60_000
const EVERY_BYTE = Buffer.from(Array.from({ length: 256 }, (_, n) => n))
const LARGE = Buffer.from(Array.from({ length: 100_000 }, (_, n) => n * n % 251))

const numbers = count => Array.from({ length: count }, (_, n) => n)
const shown = value => inspect(value, { maxArrayLength: 20, maxStringLength: 200 })

function fail (words) {
  console.error(`day.mjs: ${words}`)
  process.exit(1)
}

// Ends the day unless an answer is as expected.
function same (what, got, wanted) {
  if (!isDeepStrictEqual(got, wanted)) fail(`${what}: ${shown(got)}, and not ${shown(wanted)}`)
}

// Waits until something is so.
async function until (what, probe) {
  const deadline = Date.now() + PATIENCE_MS
  while (!await probe()) {
    if (Date.now() > deadline) fail(`waited in vain until ${what}`)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}

// The answers of a pipeline or transaction, of which none is an error.
function answers (what, results) {
  return results.map(([error, answer]) => error ? fail(`${what}: ${error}`) : answer)
}

class Day {
  constructor (host, ports, protocol) {
    this.name = `js${protocol}`
    this.connect = port => new Redis({
      host,
      port,
      protocol,
      connectionName: this.name,
      commandTimeout: PATIENCE_MS,
      // What was sent and not answered must not be sent again by the client: counts would be wrong.
      autoResendUnfulfilledCommands: false
    })
    this.doors = ports.map(this.connect)
    this.host = host
    this.ports = ports
    this.first = this.doors[0]
    this.last = this.doors.at(-1)
    this.counts = { protocol, errors: 0 }
  }

  // A key of this day, in a slot of its own.
  key (rest) {
    return `${this.name}:${rest}`
  }

  // A key of this day, in one slot with all that were made here.
  beside (rest) {
    return `${this.name}:{beside}:${rest}`
  }

  // All keys that match, as a scan gives them: once more if it gives one twice.
  async scanned (door, match, count, type = 'string') {
    const found = []
    let cursor = '0'
    do {
      const [next, keys] = await door.scan(cursor, 'MATCH', match, 'COUNT', count, 'TYPE', type)
      found.push(...keys)
      cursor = next
    } while (cursor !== '0')
    return found
  }

  // A wrong command, and the beginning of the error that it has to get.
  async wrong (door, command, words) {
    const [name, ...args] = command
    try {
      same(command.join(' '), await door.call(name, ...args), words)
    } catch (error) {
      same(`the class of the error of ${command.join(' ')}`, error instanceof ReplyError, true)
      if (!error.message.startsWith(words)) same(`the error of ${command.join(' ')}`, error.message, words)
    }
    this.counts.errors += 1
  }

  async work () {
    await this.greet()
    await this.writeAndRead()
    await this.pipeline()
    await this.count()
    await this.expire()
    await this.bytesAndLetters()
    await this.edit()
    await this.transact()
    await this.move()
    await this.err()
    await this.scan()
    await this.publish()
    await this.cluster()
    await this.leave()
    return this.counts
  }

  // Each door knows its protocol and its client's name.
  async greet () {
    // What an earlier day left that ended in the middle.
    for (const key of await this.scanned(this.last, this.key('*'), 1000)) await this.first.del(key)
    for (const door of this.doors) {
      same('PING', await door.ping(), 'PONG')
      same('ECHO', await door.echo('grüße'), 'grüße')
      same('CLIENT GETNAME', await door.client('GETNAME'), this.name)
    }
    const hello = await this.first.call('HELLO', this.counts.protocol)
    same('HELLO', hello[hello.indexOf('proto') + 1], this.counts.protocol)
  }

  // What one door is told another gives.
  async writeAndRead () {
    const doors = this.doors
    for (const n of numbers(PLAIN)) {
      same('SET', await doors[n % doors.length].set(this.key(`plain:${n}`), `value ${n}`), 'OK')
    }
    // All at once: the client writes them one behind the other without waiting.
    const got = await Promise.all(numbers(PLAIN).map(n => doors[(n + 1) % doors.length].get(this.key(`plain:${n}`))))
    same('GET', got, numbers(PLAIN).map(n => `value ${n}`))
    same('GET of nothing', await this.first.get(this.key('nothing')), null)
    const many = numbers(20).map(n => this.key(`many:${n}`))
    same('MSET', await this.first.mset(Object.fromEntries(many.map((key, n) => [key, n]))), 'OK')
    same('MGET', await this.last.mget(...many, this.key('nothing')), [...numbers(20).map(String), null])
    same('SET NX', await this.first.set(this.key('plain:0'), 'x', 'NX'), null)
    same('SET XX', await this.last.set(this.key('nothing'), 'x', 'XX'), null)
    same('SET GET', await this.last.set(this.key('plain:0'), 'new', 'GET'), 'value 0')
    same('DEL', await this.last.del(...many, this.key('nothing')), 20)
    same('EXISTS', await this.first.exists(...many), 0)
  }

  // Answers come in the order of the questions.
  async pipeline () {
    const keys = numbers(PIPELINED).map(n => this.key(`piped:${n}`))
    for (const [number, door] of this.doors.entries()) {
      const mine = numbers(PIPELINED).filter(n => n % this.doors.length === number)
      const pipe = door.pipeline()
      for (const n of mine) pipe.set(keys[n], n).append(keys[n], '!').get(keys[n])
      const wanted = mine.flatMap(n => ['OK', `${n}!`.length, `${n}!`])
      same('a pipeline of SET, APPEND and GET', answers('a pipeline', await pipe.exec()), wanted)
    }
    const pipe = this.last.pipeline()
    for (const key of keys) pipe.get(key)
    same('a pipeline of GET', answers('a pipeline', await pipe.exec()), numbers(PIPELINED).map(n => `${n}!`))
    // An error in a pipeline is the answer of its command alone.
    const [[error], after] = await this.first.pipeline().incr(keys[0]).get(keys[0]).exec()
    same('an error in a pipeline', [error instanceof ReplyError, after], [true, [null, '0!']])
    this.counts.errors += 1
  }

  // No door counts what another counted.
  async count () {
    const key = this.key('count')
    const counted = COUNTS_EACH * this.doors.length
    const seen = await Promise.all(this.doors.flatMap(door => numbers(COUNTS_EACH).map(() => door.incr(key))))
    same('the answers of INCR', seen.sort((a, b) => a - b), numbers(counted).map(n => n + 1))
    same('GET of a counter', await this.first.get(key), String(counted))
    same('INCRBY', await this.last.incrby(key, 2 ** 40), counted + 2 ** 40)
    same('DECRBY', await this.first.decrby(key, 2 ** 40), counted)
    same('DECR', await this.last.decr(this.key('down')), -1)
    same('INCRBYFLOAT', await this.first.incrbyfloat(this.key('float'), '10.25'), '10.25')
    same('INCRBYFLOAT', await this.last.incrbyfloat(this.key('float'), '-0.75'), '9.5')
    this.counts.counted = Number(await this.last.get(key))
  }

  // What ends, ends at every door; what is kept is kept.
  async expire () {
    const [short, long] = [this.key('short'), this.key('long')]
    same('SET PX', await this.first.set(short, 'lived', 'PX', 300), 'OK')
    for (const door of this.doors) {
      await until('it is over', async () => await door.get(short) === null)
      same('TTL of what is over', await door.ttl(short), -2)
    }
    same('SET EX', await this.first.set(long, 'lived', 'EX', 1000), 'OK')
    const [ttl, pttl] = [await this.last.ttl(long), await this.last.pttl(long)]
    same('TTL within its bounds', ttl > 900 && ttl <= 1000, true)
    same('PTTL within its bounds', pttl > 900_000 && pttl <= 1_000_000, true)
    same('SET KEEPTTL', await this.last.set(long, 'lives', 'KEEPTTL'), 'OK')
    same('TTL kept', await this.first.ttl(long) > 900, true)
    same('EXPIRE NX', await this.first.expire(long, 5000, 'NX'), 0)
    same('EXPIRE GT', await this.first.expire(long, 5000, 'GT'), 1)
    same('GETEX PERSIST', await this.last.getex(long, 'PERSIST'), 'lives')
    same('TTL of what has no end', await this.first.ttl(long), -1)
    same('PERSIST of what has no end', await this.first.persist(long), 0)
    same('PEXPIREAT of yesterday', await this.last.pexpireat(long, Date.now() - 86_400_000), 1)
    same('GET of what is over', await this.first.get(long), null)
  }

  // Keys and values are bytes, whichever.
  async bytesAndLetters () {
    const key = Buffer.concat([Buffer.from(this.key('')), EVERY_BYTE])
    same('SET of every byte', await this.first.set(key, EVERY_BYTE), 'OK')
    same('GET of every byte', await this.last.getBuffer(key), EVERY_BYTE)
    same('BITCOUNT', await this.first.bitcount(key), 1024)
    same('GETRANGE', await this.first.getrangeBuffer(key, 250, -1), EVERY_BYTE.subarray(250))
    same('DEL of every byte', await this.last.del(key), 1)
    const letters = this.key('grüße:日本:🦀')
    same('SET of letters', await this.last.set(letters, 'žluťoučký 🐎'), 'OK')
    same('GET of letters', await this.first.get(letters), 'žluťoučký 🐎')
    same('STRLEN of letters', await this.first.strlen(letters), Buffer.byteLength('žluťoučký 🐎'))
    const large = this.key('large')
    same('SET of a large value', await this.first.set(large, LARGE), 'OK')
    same('GET of a large value', (await this.last.getBuffer(large)).equals(LARGE), true)
    same('APPEND to a large value', await this.last.append(large, EVERY_BYTE), LARGE.length + 256)
    same('SETRANGE in a large value', await this.first.setrange(large, 50_000, 'here'), LARGE.length + 256)
    const wanted = Buffer.concat([LARGE.subarray(0, 50_000), Buffer.from('here'), LARGE.subarray(50_004), EVERY_BYTE])
    same('GET of a changed large value', (await this.last.getBuffer(large)).equals(wanted), true)
    same('SET of nothing', await this.first.set(this.key('empty'), ''), 'OK')
    same('GET of nothing', await this.last.get(this.key('empty')), '')
  }

  // Bits, parts and names.
  async edit () {
    const [bits, text, other] = [this.key('bits'), this.beside('text'), this.beside('other')]
    same('SETBIT', await this.first.setbit(bits, 7, 1), 0)
    same('GETBIT', await this.last.getbit(bits, 7), 1)
    same('BITPOS', await this.last.bitpos(bits, 1), 7)
    const fields = ['SET', 'u8', 8, 200, 'INCRBY', 'u8', 8, 10, 'GET', 'i8', 8]
    same('BITFIELD', await this.first.bitfield(bits, ...fields), [0, 210, -46])
    same('SET', await this.first.set(text, 'ohmytext'), 'OK')
    same('RENAME', await this.last.rename(text, other), 'OK')
    same('COPY', await this.first.copy(other, text), 1)
    same('SET', await this.last.set(other, 'mynewtext'), 'OK')
    same('LCS', await this.first.lcs(text, other), 'mytext')
    same('GETDEL', await this.last.getdel(text), 'ohmytext')
    same('GETDEL', await this.last.getdel(text), null)
    same('TYPE', [await this.first.type(bits), await this.first.type(text)], ['string', 'none'])
  }

  // A transaction is done whole, or not at all.
  async transact () {
    const [one, other] = [this.beside('one'), this.beside('other')]
    const mixed = await this.first.multi().set(one, 1).incr(one).set(other, 'x').incr(other).get(one).exec()
    same('the error in a transaction', mixed[3][0] instanceof ReplyError, true)
    same('a transaction', answers('a transaction', mixed.toSpliced(3, 1)), ['OK', 2, 'OK', '2'])
    same('WATCH', await this.first.watch(one), 'OK')
    same('GET of what is watched', await this.first.get(one), '2')
    same('SET by another', await this.last.set(one, 'changed'), 'OK')
    same('EXEC of what changed', await this.first.multi().set(one, 'lost').exec(), null)
    this.counts.errors += 1
    same('GET of what changed', await this.last.get(one), 'changed')
    same('WATCH', await this.first.watch(one, other), 'OK')
    const stayed = await this.first.multi().set(one, 'done').get(other).exec()
    same('EXEC of what stayed', answers('a transaction', stayed), ['OK', 'x'])
    same('GET of what was done', await this.last.get(one), 'done')
    // What cannot be queued breaks the whole.
    same('MULTI', await this.first.multi({ pipeline: false }), 'OK')
    same('QUEUED', await this.first.set(one, 'lost'), 'QUEUED')
    await this.wrong(this.first, ['SET', one], 'ERR wrong number of arguments')
    try {
      same('EXEC of what was refused', await this.first.exec(), 'an error')
    } catch (error) {
      same('the error of EXEC', [error instanceof ReplyError, error.message.split(' ')[0]], [true, 'EXECABORT'])
    }
    same('MULTI', await this.first.multi({ pipeline: false }), 'OK')
    same('QUEUED', await this.first.del(one), 'QUEUED')
    same('DISCARD', await this.first.discard(), 'OK')
    same('GET of what was left', await this.last.get(one), 'done')
  }

  // Money between accounts, watched, at all doors at once: none is lost, none is made.
  async move () {
    const [giver, taker] = [this.beside('giver'), this.beside('taker')]
    const moves = MOVES_EACH * this.doors.length
    await this.first.mset(giver, moves, taker, 0)
    await Promise.all(this.doors.map(async door => {
      for (let done = 0; done < MOVES_EACH;) {
        await door.watch(giver, taker)
        // Others may come between these; EXEC sees it.
        const [left, there] = [Number(await door.get(giver)), Number(await door.get(taker))]
        if (await door.multi().set(giver, left - 1).set(taker, there + 1).exec()) done += 1
      }
    }))
    same('what was moved', await this.last.mget(giver, taker), ['0', String(moves)])
    this.counts.committed = Number(await this.last.get(taker))
  }

  // Wrong commands get the error that they get of Redis.
  async err () {
    const text = this.key('plain:1')
    const wrongs = [
      [['INCR', text], 'ERR value is not an integer or out of range'],
      [['NOSUCH', text], "ERR unknown command 'NOSUCH'"],
      [['GET'], "ERR wrong number of arguments for 'get' command"],
      [['SET', text, 'x', 'SOON'], 'ERR syntax error'],
      [['SET', text, 'x', 'EX', 0], "ERR invalid expire time in 'set' command"],
      [['SETBIT', text, -1, 1], 'ERR bit offset is not an integer or out of range'],
      [['RENAME', this.beside('gone'), this.beside('away')], 'ERR no such key'],
      [['SELECT', 17], 'ERR DB index is out of range'],
      [['EXEC'], 'ERR EXEC without MULTI'],
      [['MSETNX', this.key('a'), 1, this.key('b'), 2], 'CROSSSLOT ']
    ]
    for (const [command, words] of wrongs) await this.wrong(this.first, command, words)
    same('GET after errors', await this.last.get(text), 'value 1')
    // A connection that is gone is made again by the client.
    const other = this.connect(this.ports[0])
    const id = await other.client('ID')
    const again = new Promise(resolve => other.once('close', () => other.once('ready', resolve)))
    same('CLIENT KILL', await this.first.client('KILL', 'ID', id), 1)
    await again
    same('PING on a new connection', await other.ping(), 'PONG')
    same('a new number', await other.client('ID') > id, true)
    this.counts.errors += 1
    same('QUIT', await other.quit(), 'OK')
  }

  // A scan gives every key once, and no other.
  async scan () {
    const wanted = numbers(PIPELINED).map(n => this.key(`piped:${n}`)).sort()
    // In some pages, and in one.
    for (const [number, door] of this.doors.entries()) {
      const found = await this.scanned(door, this.key('piped:*'), number === 0 ? 100 : 1000)
      same('SCAN', found.sort(), wanted)
    }
    const some = numbers(10).map(n => this.key(`piped:${n}`))
    same('SCAN of some', (await this.scanned(this.last, this.key('piped:?'), 1000)).sort(), some)
    same('SCAN of a type', await this.scanned(this.last, this.key('piped:*'), 1000, 'list'), [])
    const streamed = []
    for await (const keys of this.last.scanStream({ match: this.key('piped:*'), count: 200 })) streamed.push(...keys)
    same('SCAN as a stream', streamed.sort(), wanted)
    same('KEYS', (await this.first.keys(this.key('piped:*'))).sort(), wanted)
    this.counts.scanned = wanted.length
  }

  // What is published at one door is heard at others, by channel and by pattern, in order.
  async publish () {
    const channel = this.key('news')
    const said = numbers(PIPELINED).map(String)
    const heard = [[], []]
    const [near, far] = [this.ports[0], this.ports.at(-1)].map(this.connect)
    near.on('message', (from, word) => same('the channel', from, channel) ?? heard[0].push(word))
    far.on('pmessage', (pattern, from, word) => same('the channel', from, channel) ?? heard[1].push(word))
    same('SUBSCRIBE', await near.subscribe(channel), 1)
    same('PSUBSCRIBE', await far.psubscribe(this.key('n?w[s]')), 1)
    const speaker = this.doors[1 % this.doors.length]
    // Doors find each other within seconds.
    await until('all listeners hear another door', async () => {
      await speaker.publish(channel, 'hello')
      return heard.every(words => words.length > 0)
    })
    await Promise.all(said.map(word => speaker.publish(channel, word)))
    const words = () => heard.map(words => words.filter(word => word !== 'hello'))
    await until('all is heard', () => words().every(words => words.length === said.length))
    same('what was heard', words(), [said, said])
    for (const listener of [near, far]) same('QUIT', await listener.quit(), 'OK')
  }

  // A cluster client finds all doors, and goes to the nearest of each key.
  async cluster () {
    const nodes = new Cluster(this.ports.map(port => ({ host: this.host, port })), {
      redisOptions: { protocol: this.counts.protocol, commandTimeout: PATIENCE_MS }
    })
    const keys = numbers(PLAIN).map(n => this.key(`cluster:${n}`))
    const values = numbers(PLAIN).map(String)
    for (const [n, key] of keys.entries()) same('SET', await nodes.set(key, values[n]), 'OK')
    await until('all doors are known', () => nodes.nodes('all').length === this.ports.length)
    same('GET at a door', await Promise.all(keys.map(key => this.last.get(key))), values)
    same('GET', await Promise.all(keys.map(key => nodes.get(key))), values)
    const pipeline = nodes.pipeline()
    for (const key of [1, 2, 3].map(n => this.beside(`cluster:${n}`))) pipeline.incr(key).del(key)
    same('a pipeline', answers('a pipeline', await pipeline.exec()), [1, 1, 1, 1, 1, 1])
    same('DEL', await Promise.all(keys.map(key => nodes.del(key))), keys.map(() => 1))
    same('QUIT', await nodes.quit(), 'OK')
  }

  // All is deleted but what others are to read.
  async leave () {
    const left = this.key('left')
    await this.first.set(left, Buffer.concat(numbers(100).map(() => EVERY_BYTE)))
    const mine = (await this.scanned(this.last, this.key('*'), 1000)).filter(key => key !== left)
    same('UNLINK', await this.first.unlink(...mine), mine.length)
    same('SCAN of what is left', await this.scanned(this.last, this.key('*'), 1000), [left])
    this.counts.deleted = mine.length
    for (const door of this.doors) same('QUIT', await door.quit(), 'OK')
  }
}

const [host, ...ports] = process.argv.slice(2)
const { version } = createRequire(import.meta.url)('ioredis/package.json')
const days = []
for (const protocol of [2, 3]) days.push(await new Day(host, ports.map(Number), protocol).work())
console.log(JSON.stringify({ client: `ioredis ${version}`, days }))
