//! Forged, truncated and foreign tickets, and the wrong network: refused, each with its reason.

use storgo_protocol::{ContentId, ContentKey, NetworkId, Ticket};

use crate::harness::{Lab, NodeOptions, until};

#[test]
fn only_the_ticket_that_was_printed_opens_the_object() {
    let mut lab = Lab::new(2);
    let bytes = lab.bytes.take(100_000);
    let file = lab.file("file", &bytes);
    let put = lab.put(&lab.home("alice"), &file, &[]);
    let reader = lab.home("reader");
    let get = |ticket: &str| lab.get(&reader, ticket, &[]);

    // Mistyped words are told from honest ones before anybody is asked.
    get(&put.ticket[..put.ticket.len() - 1]).ended(2);
    get(&put.ticket[..40]).ended(2);
    get("storgo:").ended(2);
    let place = put.ticket.len() / 2;
    let other = if put.ticket.as_bytes()[place] == b'a' { 'b' } else { 'a' };
    let changed = format!("{}{other}{}", &put.ticket[..place], &put.ticket[place + 1..]);
    get(&changed).ended(2).says("checksum");
    get(&put.ticket.to_uppercase()).ended(2).says("a ticket starts with");

    // Forged ones are whole words.
    let honest: Ticket = put.ticket.parse().unwrap();
    let unknown = Ticket { content: ContentId::from_bytes([7; 32]), ..honest.clone() };
    get(&unknown.to_string()).ended(4).says("root: 0 copies");
    let wrong_key = Ticket { key: ContentKey::from_bytes([7; 32]), ..honest.clone() };
    let denied = get(&wrong_key.to_string()).ended(7).says("key does not open");
    assert!(denied.stdout.is_empty());
    let elsewhere = Ticket { network: NetworkId::from_name("another"), ..honest };
    get(&elsewhere.to_string()).ended(8).says("network");

    get(&put.ticket).ok();
}

#[test]
fn another_network_is_refused_with_a_reason() {
    let mut lab = Lab::new(1);
    let stranger = lab.add(NodeOptions { network: Some("another".to_owned()), ..NodeOptions::default() });
    let host = lab.nodes[0].peer().to_owned();
    let row = until("the stranger learns that it is refused", || {
        let rows = lab.ask(&lab.nodes[stranger], &["peer", "ls"]).json();
        rows.as_array()?.iter().find(|row| row["peer"] == *host && row["state"] == "refused").cloned()
    });
    let reason = row["reason"].as_str().unwrap();
    assert!(reason.contains("network"), "{reason}");
    let welcomed = lab.ask(&lab.nodes[0], &["peer", "ls"]).json();
    assert!(welcomed.as_array().unwrap().iter().all(|row| row["state"] != "answering"), "{welcomed}");

    let file = lab.file("file", b"for my own network only").display().to_string();
    let args = ["put", &file, "--network", "another", "--via", lab.nodes[0].address()];
    let refused = lab.home("alice").run(&args).ended(8).says("network");
    assert_eq!(refused.text(), "", "no ticket");
}
