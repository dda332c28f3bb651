//! What breaks a transaction: as Redis 7.0.15 answers to the same lines.

use super::Client;

/// What `EXEC` says of a step that sets one key, where something is done to what it watches.
async fn told(before: &[&str], meddled: &[&str]) -> String {
    let mut client = Client::new();
    let mut other = client.beside(2);
    for line in before.iter().chain(&["WATCH {k}", "MULTI", "SET {k}other x"]) {
        client.ask(line).await;
    }
    for line in meddled {
        other.ask(line).await;
    }
    client.told("EXEC").await
}

#[tokio::test]
async fn what_happened_to_a_watched_key_undoes_all_though_it_is_as_it_was() {
    const DONE: &str = "*1 +OK";
    const UNDONE: &str = "*-1";
    for (before, meddled, expected) in [
        (&["SET {k} 1"][..], &["GET {k}", "SET {k}beside 1"][..], DONE),
        (&["SET {k} 1"], &["SET {k} 1"], UNDONE),
        (&["SET {k} 1"], &["DEL {k}", "SET {k} 1"], UNDONE),
        (&["SET {k} 1"], &["DEL {k}"], UNDONE),
        (&[], &["GET {k}", "DEL {k}", "SET {k}beside 1", "DEL {k}beside"], DONE),
        (&[], &["SET {k} 1"], UNDONE),
        (&[], &["SET {k} 1", "DEL {k}"], UNDONE),
        (&["SET {k} 1", "DEL {k}"], &[], DONE),
    ] {
        assert_eq!(told(before, meddled).await, expected, "{before:?} {meddled:?}");
    }
}
