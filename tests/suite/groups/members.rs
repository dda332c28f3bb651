//! A network of members, and users of it in this process.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use storgo_node::object::ports::{Metadata as _, MetadataError};
use storgo_node::object::{BucketOptions, User};
use storgo_node::{Client, ClientOptions, Home as UserHome, MetadataClient};
use storgo_protocol::cluster::{Ask, Replication, Told};
use storgo_protocol::limits::TAG_BYTES;
use storgo_protocol::meta::{
    Action, Body, BucketConfig, Command, Condition, Delete, FEATURE_LEVEL, InlineBody, KeyRule, ObjectId, Put, Reply,
    RequestId, Version, VersionId,
};
use storgo_protocol::{GroupId, PeerId};

use crate::harness::{Home, Lab, NodeOptions, until};

/// A network with a trust root.
pub struct Members {
    pub lab: Lab,
    pub operator: Home,
}

impl Members {
    /// A network of this many members and groups, all seats taken.
    pub fn new(members: usize, groups: u32) -> Self {
        let mut network = Self::empty();
        for _ in 0..members {
            network.add(groups, &[]);
        }
        network.settled();
        network
    }

    /// No members yet.
    pub fn empty() -> Self {
        let lab = Lab::empty();
        let operator = lab.home("operator");
        Self { lab, operator }
    }

    /// Adds a member: the first one begins the network.
    pub fn add(&mut self, groups: u32, flags: &[&str]) -> usize {
        let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        self.add_with(groups, NodeOptions { flags, ..NodeOptions::default() })
    }

    /// Adds a member that differs from others.
    pub fn add_with(&mut self, groups: u32, mut options: NodeOptions) -> usize {
        // Without a name: a member's network is that of its trust root.
        options.network = Some("storgo".into());
        if self.lab.nodes.is_empty() {
            let data = self.lab.path().join("n0").display().to_string();
            self.operator.run(&["network", "init", "--data", &data, "--groups", &groups.to_string()]).ok();
        } else {
            options.flags.extend(["--join".to_owned(), self.invite()]);
        }
        self.lab.add(options)
    }

    /// An invite, from a node that runs.
    pub fn invite(&self) -> String {
        let node = self.lab.running().next().expect("a node runs");
        let printed = self.lab.ask(node, &["network", "invite"]).ok().json();
        printed["invite"].as_str().expect("an invite").to_owned()
    }

    /// Asks a running node, in JSON.
    pub fn ask(&self, args: &[&str]) -> Value {
        let node = self.lab.running().next().expect("a node runs");
        self.lab.ask(node, args).ok().json()
    }

    /// Waits until every group has a leader and the voters that it is to have.
    pub fn settled(&self) -> Value {
        until("all seats are taken", || {
            let node = self.lab.running().next()?;
            let status = self.lab.ask(node, &["cluster", "status"]);
            let status: Value = serde_json::from_str(&status.text()).ok()?;
            let (groups, members) = (&status["groups"], &status["members"]);
            let known = members.as_u64()? == self.lab.nodes.len() as u64;
            let whole =
                groups.as_u64() > Some(1) && groups == &status["groups_led"] && groups == &status["groups_whole"];
            let grown = || {
                let rows = self.ask(&["cluster", "groups"]);
                let voters = if self.lab.nodes.len() < 3 { 1 } else { 3 };
                rows.as_array().is_some_and(|rows| {
                    rows.iter().all(|row| row["voters"].as_array().is_some_and(|seats| seats.len() == voters))
                })
            };
            (known && whole && grown()).then_some(status)
        })
    }

    /// Waits until a member votes in every group with all that the group has applied, and nobody follows without a vote.
    pub fn filled(&self, member: usize) {
        let (runtime, node) = (tokio::runtime::Runtime::new().unwrap(), &self.lab.nodes[member]);
        let (peer, socket) = (node.peer().parse().unwrap(), node.socket());
        until("what it lost came back to a member", || {
            let rows = self.lab.ask(node, &["cluster", "groups"]);
            let rows: Vec<Value> = serde_json::from_str(&rows.text()).ok()?;
            let groups = rows.iter().filter_map(|row| row["group"].as_u64()).map(GroupId::new);
            runtime.block_on(async {
                let mut asked = storgo_rpc::Client::connect(&socket).await.unwrap();
                for group in groups {
                    if !is_filled(&mut asked, peer, group).await {
                        return None;
                    }
                }
                (!rows.is_empty()).then_some(())
            })
        });
    }
}

/// Whether a member votes with all that its group has applied, and nobody follows any more without a vote.
async fn is_filled(asked: &mut storgo_rpc::Client, peer: PeerId, group: GroupId) -> bool {
    let status = async |asked: &mut storgo_rpc::Client, of| match asked.ask(Some(of), group, &Ask::Status).await {
        Ok(Told::Status(status)) => Some(status),
        _ => None,
    };
    let Some(leader) = status(asked, peer).await.and_then(|own| own.leader) else { return false };
    let Some(led) = status(asked, leader).await else { return false };
    let Some(own) = status(asked, peer).await else { return false };
    led.learners.is_empty() && led.voters.contains(&peer) && own.applied >= led.applied && own.learners.is_empty()
}

/// A user of the network in this process, and a bucket.
pub struct Keys {
    client: Client,
    metadata: MetadataClient,
    user: User,
    pub config: BucketConfig,
}

/// What a write came to.
pub enum Wrote {
    Done,
    Refused,
    Nothing(String),
}

impl Keys {
    /// A user whose home is `home`, in a bucket that is made unless it is there.
    pub async fn new(lab: &Lab, home: &str, bucket: &str) -> Self {
        let via = lab.running().map(|node| node.address().to_owned()).collect();
        Self::open(lab.path().join("homes").join(home), via, bucket.to_owned()).await
    }

    /// The same, from wherever this runs, for the user with this home.
    pub async fn open(home: PathBuf, via: Vec<String>, bucket: String) -> Self {
        let (home, bucket) = (UserHome::open(&home).unwrap(), bucket.as_str());
        let via = via.iter().map(|address| address.parse().unwrap()).collect();
        let options = ClientOptions { via, ..ClientOptions::default() };
        let client = Client::connect(&home, options).await.unwrap();
        let (metadata, names, user) =
            (client.metadata().await.unwrap(), client.names().await.unwrap(), home.user().unwrap());
        if metadata.bucket(bucket).await.unwrap().is_none() {
            // In all groups.
            let rule = KeyRule::Flat { spread: 16_384 };
            names.create_bucket(bucket, &BucketOptions { rule, ..BucketOptions::default() }).await.unwrap();
        }
        let config = metadata.bucket(bucket).await.unwrap().unwrap().bucket.config;
        Self { client, metadata, user, config }
    }

    /// The group that has a key.
    pub fn group_of(&self, key: &str) -> GroupId {
        self.metadata.map().expect("it has asked before").group_of(self.config.slot(key.as_bytes()))
    }

    pub async fn close(self) {
        self.client.close().await;
    }

    /// Writes a value.
    pub async fn put(&self, key: &str, value: u64, condition: Condition) -> Wrote {
        let command = self.command_to_put(key.as_bytes(), value, condition);
        self.write(key, &command).await
    }

    /// What [`Keys::put`] sends.
    pub fn command_to_put(&self, key: &[u8], value: u64, condition: Condition) -> Command {
        let sealed = [value.to_be_bytes().as_slice(), &[0; TAG_BYTES]].concat();
        command(|request| {
            let body = InlineBody { generation: 1, salt: [7; 32], sealed: sealed.into(), unknown: bytes::Bytes::new() };
            let version = Version::new(ObjectId::from_bytes([1; 16]), request, Body::Inline(body));
            let previous = if let Condition::Version(id) = condition { Some(id) } else { None };
            let version = Version { size: 8, previous, ..version }.signed(self.config.bucket, &self.user.identity);
            let (bucket, generation, key) = (self.config.bucket, self.config.generation, key.to_vec().into());
            Action::Put(Box::new(Put { bucket, generation, key, version, condition }))
        })
    }

    /// Sends a command as it is, where the key has its slot by that configuration.
    pub async fn send(&self, config: &BucketConfig, key: &[u8], command: &Command) -> Result<Reply, MetadataError> {
        self.metadata.write(config, key, command, Replication::Replicated).await
    }

    pub async fn delete(&self, key: &str) -> Wrote {
        let command = command(|_| {
            let (bucket, generation) = (self.config.bucket, self.config.generation);
            let (key, condition) = (key.to_owned().into(), Condition::Always);
            Action::Delete(Box::new(Delete { bucket, generation, key, version: None, condition, marker: None }))
        });
        self.write(key, &command).await
    }

    async fn write(&self, key: &str, command: &Command) -> Wrote {
        match self.metadata.write(&self.config, key.as_bytes(), command, Replication::Replicated).await {
            Ok(Reply::Written { .. } | Reply::Deleted { .. }) => Wrote::Done,
            Ok(Reply::Refused(_)) => Wrote::Refused,
            Ok(other) => panic!("{other:?}"),
            Err(error) => Wrote::Nothing(format!("{error:?}")),
        }
    }

    /// Reads a key: its version and its value.
    pub async fn get(
        &self,
        key: &str,
        level: storgo_protocol::cluster::Level,
    ) -> Result<Option<(VersionId, u64)>, MetadataError> {
        let found = self.metadata.get(&self.config, key.as_bytes(), None, level).await?;
        Ok(found.version.map(|version| {
            version.verify(self.config.bucket).expect("it is signed");
            let Body::Inline(body) = &version.body else { panic!("{version:?}") };
            (version.id(), u64::from_be_bytes(body.sealed[..8].try_into().unwrap()))
        }))
    }
}

fn now_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    u64::try_from(now.unwrap_or(Duration::ZERO).as_millis()).unwrap()
}

fn command(action: impl FnOnce(RequestId) -> Action) -> Command {
    let request = RequestId::new(now_ms(), rand::random());
    Command { feature: FEATURE_LEVEL, request: Some(request), action: action(request) }
}
