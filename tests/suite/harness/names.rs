//! A network that keeps names, and the user who began it.

use super::home::Home;
use super::lab::Lab;
use super::node::NodeOptions;
use super::process::Output;
use super::wait::until;

/// A network that keeps names, and its founder.
#[derive(Debug)]
pub struct Names {
    pub lab: Lab,
    pub alice: Home,
    pub via: String,
}

impl Names {
    /// So many members, whose groups begin soon.
    pub fn new(members: usize) -> Self {
        Self::with_flags(members, |_| Vec::new())
    }

    /// The same, with further flags of `node run`, which may depend on the founder.
    pub fn with_flags(members: usize, flags: impl Fn(&Home) -> Vec<String>) -> Self {
        let mut lab = Lab::empty();
        let alice = lab.home("alice");
        let data = lab.path().join("n0").display().to_string();
        let founded = alice.run(&["network", "init", "--data", &data, "--groups", "4", "--json"]).ok().json();
        let network = founded["network"].as_str().unwrap().to_owned();
        lab.add(NodeOptions { network: Some(network.clone()), flags: flags(&alice), ..NodeOptions::default() });
        let invite = alice.run(&["network", "invite", "--node", &data]).ok().text();
        for _ in 1..members {
            let flags = [flags(&alice), vec!["--join".to_owned(), invite.clone()]].concat();
            lab.add(NodeOptions { network: Some(network.clone()), flags, ..NodeOptions::default() });
        }
        lab.meet();
        let via = lab.via();
        Self { lab, alice, via }
    }

    /// Waits until as many members vote in each group as are to: before, what one member dies with may be all there is.
    pub fn grown(&self) {
        let voters = if self.lab.nodes.len() < 3 { 1 } else { 3 };
        until("groups have grown", || {
            let rows = self.lab.ask(&self.lab.nodes[0], &["cluster", "groups"]);
            let rows: Vec<serde_json::Value> = serde_json::from_str(&rows.text()).ok()?;
            let is_grown =
                |row: &serde_json::Value| row["voters"].as_array().is_some_and(|seats| seats.len() == voters);
            (rows.len() > 1 && rows.iter().all(is_grown)).then_some(())
        });
    }

    /// Runs a command as this user, through the first member.
    pub fn run(&self, home: &Home, args: &[&str]) -> Output {
        home.run(&[args, &["--via", &self.via]].concat())
    }

    /// Runs a command as the founder.
    pub fn alice(&self, args: &[&str]) -> Output {
        self.run(&self.alice, args)
    }

    /// Makes a bucket, as soon as the groups have begun.
    pub fn bucket(&self, args: &[&str]) {
        until("a bucket is made", || {
            let made = self.alice(&[&["bucket", "create"], args].concat());
            (made.code == Some(0)).then_some(())
        });
    }

    /// A file with these bytes.
    pub fn file(&self, name: &str, bytes: &[u8]) -> String {
        self.lab.file(name, bytes).display().to_string()
    }
}
