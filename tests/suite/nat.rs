//! Peers behind NAT, in network namespaces: two private networks behind masquerading routers, and a public segment.
//!
//! ```text
//!   hidden A ── router ──┐                ┌── router ── hidden B
//!     10.1.0.2           ├── 5.5.5.0/24 ──┤               10.2.0.2
//!             three public peers     a public client
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Lab, MIB, Net, Node, NodeOptions, Put, Segment, Site, Space, Weather, assert_same, until};

const PUBLIC: Segment = Segment(0);

/// What a router does with the port of a connection that it hides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ports {
    /// Keeps it: both sides can tell where the other will come from.
    Kept,
    /// Draws another for each destination: nobody can.
    Drawn,
}

/// Two hidden nodes, three public ones, and a client. Fields are dropped in this order.
struct World {
    lab: Lab,
    client: Space,
    _spaces: Vec<Space>,
    _net: Net,
}

impl World {
    fn new(ports: Ports) -> Option<Self> {
        let mut lab = Lab::empty();
        let net = Net::new(lab.bytes.seed())?;
        // A way that takes no time at all lets no two packets cross.
        net.set_all(Weather { delay: Duration::from_millis(5), ..Weather::default() });
        let settings = "[mesh]\nround_interval_ms = 1000\n";
        let settings = lab.file("node.toml", settings.as_bytes()).display().to_string();
        let mut spaces = Vec::new();
        let start = |lab: &mut Lab, space: &Space, address: &str| {
            let site =
                Site { space: space.path().to_owned(), listen: vec![format!("/ip4/{address}/tcp/4820")], mdns: false };
            let flags = vec!["--config".to_owned(), settings.clone()];
            lab.add(NodeOptions { site: Some(site), flags, ..NodeOptions::default() });
        };
        for number in 1..=3 {
            let space = Space::new();
            let address = format!("5.5.5.{number}");
            net.plug(&space, PUBLIC, &format!("{address}/24"));
            start(&mut lab, &space, &address);
            spaces.push(space);
        }
        for number in 1..=2 {
            let (router, space) = (Space::new(), Space::new());
            net.plug(&router, Segment(number), &format!("10.{number}.0.1/24"));
            net.plug(&router, PUBLIC, &format!("5.5.5.{number}0/24"));
            router.masquerade(ports == Ports::Drawn);
            let address = format!("10.{number}.0.2");
            net.plug(&space, Segment(number), &format!("{address}/24"));
            space.route_through(&format!("10.{number}.0.1"));
            start(&mut lab, &space, &address);
            spaces.extend([router, space]);
        }
        let client = Space::new();
        net.plug(&client, PUBLIC, "5.5.5.100/24");
        Some(Self { lab, client, _spaces: spaces, _net: net })
    }

    fn hidden(&self) -> [&Node; 2] {
        [&self.lab.nodes[3], &self.lab.nodes[4]]
    }

    fn status(&self, node: &Node) -> Value {
        self.lab.ask(node, &["node", "status"]).ok().json()
    }

    /// How `node` reaches each peer that answers it.
    fn paths(&self, node: &Node) -> BTreeMap<String, String> {
        let rows = self.lab.ask(node, &["peer", "ls"]).ok().json();
        let answering = rows.as_array().expect("rows").iter().filter(|row| row["state"] == "answering").cloned();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        answering.map(|row| (text(&row["peer"]), text(&row["path_kind"]))).collect()
    }

    /// Waits until hidden nodes have learned that they are, and where they can be reached all the same.
    fn settle(&self) {
        // Not the first, through which the others join: libp2p asks only those for a test whom it has dialled itself.
        for node in &self.lab.nodes[1..3] {
            until(&format!("{} knows that it can be dialled", node.name), || {
                (self.status(node)["reach"] == "public").then_some(())
            });
        }
        for node in self.hidden() {
            until(&format!("{} knows that it is hidden and has a place at a relay", node.name), || {
                let status = self.status(node);
                let relayed = status["addresses"].as_array()?.iter().filter_map(Value::as_str);
                let relayed = relayed.filter(|address| address.contains("/p2p-circuit/")).count();
                (status["reach"] == "hidden" && relayed > 0).then_some(())
            });
        }
        self.lab.meet();
    }
}

#[test]
fn two_nats_that_keep_ports_are_punched_through() {
    let Some(world) = World::new(Ports::Kept) else { return };
    world.settle();
    let [a, b] = world.hidden();
    until("the hidden nodes have a way of their own", || {
        let ways = [world.paths(a).remove(b.peer())?, world.paths(b).remove(a.peer())?];
        (ways == ["punched", "punched"]).then_some(())
    });
    let direct = world.paths(a).remove(world.lab.nodes[0].peer());
    assert_eq!(direct.as_deref(), Some("direct"));
}

#[test]
fn who_cannot_be_reached_otherwise_is_relayed_and_bulk_only_if_asked_for() {
    let Some(mut world) = World::new(Ports::Drawn) else { return };
    world.settle();
    let [a, b] = world.hidden();
    assert_eq!(world.paths(a).remove(b.peer()).as_deref(), Some("relayed"));
    let [a, b] = [a, b].map(|node| node.peer().to_owned());

    let bytes = world.lab.bytes.take(2 * MIB + 5);
    let file = world.lab.file("file", &bytes).display().to_string();
    let home = world.lab.home("alice").inside(&world.client);
    let via = world.lab.via();
    let put = ["put", &file, "--json", "--via", &via, "--redundancy", "erasure:3+2", "--strict"];
    home.run(&put).ended(8).says("relay").says("--relayed-bulk");
    let put = Put::of(&home.run(&[&put[..], &["--relayed-bulk"]].concat()).ok());
    assert_eq!(put.report["width"]["domains"], 5, "{}", put.report);

    // Any three are enough: those that can be dialled.
    let got = home.run(&["get", &put.ticket, "-o", "-", "--via", &via]).ok();
    assert_same(&got.stdout, &bytes);
    let stat = home.run(&["stat", &put.ticket, "--json", "--via", &via]).ok().json();
    let paths = stat["paths"].as_array().expect("paths").iter();
    let paths: BTreeMap<_, _> = paths.filter_map(|row| Some((row["peer"].as_str()?, row["path"].as_str()?))).collect();
    assert_eq!((paths[a.as_str()], paths[b.as_str()]), ("relayed", "relayed"), "{paths:?}");
    assert_eq!(paths[world.lab.nodes[1].peer()], "direct", "{paths:?}");

    // One of those gone, a shard has to come through a relay.
    world.lab.nodes[2].kill();
    home.run(&["get", &put.ticket, "-o", "-", "--via", &via]).ended(4).says("--relayed-bulk");
    let got = home.run(&["get", &put.ticket, "-o", "-", "--via", &via, "--relayed-bulk"]).ok();
    assert_same(&got.stdout, &bytes);
}
