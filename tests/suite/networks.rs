//! Bad networks, between processes in network namespaces: loss, delay, one-way cuts, flipped bits.
//!
//! Whatever the wire does, what comes out is right or a clean error, and a transfer finishes once the wire allows it.

use std::time::{Duration, Instant};

use crate::harness::{Corruption, Field, MIB, Put, Weather, assert_same};

const LINK_BITS_PER_SECOND: u32 = 100_000_000;

/// Puts and gets a file over six nodes in this weather, with a new user each time. Who is slow to answer may be left
/// out; how widely it stands is told.
fn there_and_back(field: &mut Field, user: &str, bytes: usize) {
    let bytes = field.lab.bytes.take(bytes);
    let file = field.lab.file(user, &bytes).display().to_string();
    let home = field.lab.home(user).inside(&field.client);
    let via = field.lab.via();
    let put = Put::of(&home.run(&["put", &file, "--json", "--via", &via, "--redundancy", "erasure:4+2"]).ok());
    println!("{user}: {} in {} s", put.report["width"], put.report["seconds"]);
    let got = home.run(&["get", &put.ticket, "-o", "-", "--via", &via]).ok();
    assert_same(&got.stdout, &bytes);
}

#[test]
fn a_fifth_of_all_packets_may_be_lost() {
    let Some(mut field) = Field::new(6) else { return };
    field.net.set_all(Weather { loss: 0.2, ..Weather::default() });
    there_and_back(&mut field, "alice", MIB + MIB / 2);
    let (lost, _) = field.net.harmed();
    assert!(lost > 100, "only {lost} frames were lost");
}

#[test]
fn packets_may_be_late_and_overtake_one_another() {
    let Some(mut field) = Field::new(6) else { return };
    let [delay, jitter] = [100, 50].map(Duration::from_millis);
    field.net.set_all(Weather { delay, jitter, ..Weather::default() });
    let start = Instant::now();
    there_and_back(&mut field, "alice", 4 * MIB);
    assert!(start.elapsed() > 4 * delay, "nothing was delayed");
}

#[test]
fn flipped_bits_never_pass_for_data() {
    let Some(mut field) = Field::new(6) else { return };
    field.net.set_all(Weather { corruption: Some((0.05, Corruption::Seen)), ..Weather::default() });
    there_and_back(&mut field, "alice", 4 * MIB);
    let (_, seen) = field.net.harmed();
    field.net.set_all(Weather { corruption: Some((0.0005, Corruption::Unseen)), ..Weather::default() });
    there_and_back(&mut field, "bob", 4 * MIB);
    let (_, all) = field.net.harmed();
    println!("{seen} packets were corrupted so that the kernel sees it, {} so that it does not", all - seen);
    assert!(seen > 10 && all > seen, "{seen} of {all} corrupted frames could be seen");
}

/// Requests arrive and answers do not, or the other way round: to the client that is the same silence.
#[test]
fn a_wire_that_carries_one_way_only_is_a_wire_that_is_cut() {
    let Some(mut field) = Field::new(6) else { return };
    let cut = Weather { cut: true, ..Weather::default() };
    let bytes = field.lab.bytes.take(2 * MIB);
    let file = field.lab.file("file", &bytes).display().to_string();
    let home = field.lab.home("alice").inside(&field.client);
    let via = field.lab.via();
    let put = Put::of(&home.run(&["put", &file, "--json", "--via", &via]).ok());

    // Two of six, one in each direction: four are enough to read.
    field.to_client(1, cut);
    field.net.set(field.client_port, field.ports[2], cut);
    let got = home.run(&["get", &put.ticket, "-o", "-", "--via", &via]).ok();
    assert_same(&got.stdout, &bytes);

    // All of them: an error, in time, that says so.
    for number in 0..6 {
        field.to_client(number, cut);
    }
    home.run(&["get", &put.ticket, "-o", "-", "--via", &via]).ended(8);
    field.net.heal();
    let got = home.run(&["get", &put.ticket, "-o", "-", "--via", &via]).ok();
    assert_same(&got.stdout, &bytes);
}

/// The wire is cut in the midst of a transfer, stays so for longer than silence is borne, and heals.
#[test]
fn a_put_that_was_cut_off_says_so_and_finishes_when_run_again() {
    let Some(mut field) = Field::new(6) else { return };
    field.net.limit(field.client_port, LINK_BITS_PER_SECOND.into());
    let bytes = field.lab.bytes.take(24 * MIB);
    let file = field.lab.file("file", &bytes).display().to_string();
    let home = field.lab.home("alice").inside(&field.client);
    let via = field.lab.via();
    let before = field.net.sent(field.client_port);
    let putting = home.start(&["put", &file, "--json", "--via", &via]);
    crate::harness::until("some of it is on its way", || {
        (field.net.sent(field.client_port) - before > 4 * MIB as u64).then_some(())
    });
    for number in 0..6 {
        field.to_client(number, Weather { cut: true, ..Weather::default() });
    }
    let cut_off = putting.finish();
    assert_eq!(cut_off.code, Some(8), "{}", cut_off.stderr);
    field.net.heal();
    let put = Put::of(&home.run(&["put", &file, "--json", "--via", &via]).ok());
    assert!(put.report["shards_present"].as_u64() > Some(0), "{}", put.report);
    let got = home.run(&["get", &put.ticket, "-o", "-", "--via", &via]).ok();
    assert_same(&got.stdout, &bytes);
}

/// What the client's wire carries during a put, against what it could: the windows are wide enough for a long way.
#[test]
fn a_put_keeps_most_of_a_long_link_full() {
    let Some(mut field) = Field::new(6) else { return };
    let bytes = field.lab.bytes.take(48 * MIB);
    let file = field.lab.file("file", &bytes).display().to_string();
    field.net.limit(field.client_port, LINK_BITS_PER_SECOND.into());
    // There and back: 100 ms.
    field.net.set_all(Weather { delay: Duration::from_millis(50), ..Weather::default() });
    let home = field.lab.home("alice").inside(&field.client);
    let via = field.lab.via();
    let before = field.net.sent(field.client_port);
    let put = Put::of(&home.run(&["put", &file, "--json", "--via", &via]).ok());
    let sent = u32::try_from(field.net.sent(field.client_port) - before).expect("far less than 4 GiB");
    let bits = f64::from(sent) * 8.0;
    let seconds = put.report["seconds"].as_f64().expect("a put says how long it took");
    let share = bits / seconds / f64::from(LINK_BITS_PER_SECOND);
    println!("{:.1} MB on the wire in {seconds:.1} s: {:.0} % of the link", bits / 8e6, share * 100.0);
    assert!(share >= 0.6, "a put kept {:.0} % of a link of 100 Mbit/s at 100 ms", share * 100.0);
}
