//! The demo's steps in order.

use std::path::PathBuf;

use serde_json::json;
use storgo_node::object::{Progress, PutOptions, PutReport, RepairReport};
use storgo_node::{Client, ClientOptions, Home};
use storgo_protocol::{AnyTicket, PeerId, Ticket};

use super::DemoArgs;
use super::compare::compare;
use super::damage::{Damage, flip_a_byte};
use super::fetch::fetch;
use super::kept;
use super::peers::DemoPeers;
use super::report::{DemoReport, Step, StepReport};
use super::stage::{Stage, executable};
use crate::commands::get::GetJson;
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::output::{Output, json_line};
use crate::places::{Map, width};
use crate::{amounts, bar};

/// Plays all steps; fails at the first comparison that does not hold.
pub(super) async fn play(context: &Context, args: &DemoArgs, stage: &mut Stage) -> Result<(), CliError> {
    let file = args.file.clone().map_or_else(executable, Ok)?;
    let bytes = std::fs::metadata(&file).map_err(|e| CliError::io(format!("opening {}", file.display()), e))?.len();
    let output = context.output;
    output.say(&format!(
        "{} peers, {}, {} ({})",
        args.peers,
        args.redundancy,
        file.display(),
        amounts::bytes(bytes)
    ))?;
    let peers = DemoPeers::start(stage.path(), args.peers).await?;
    let mut play = Play { output, args, stage: &*stage, peers, file, bytes };

    let (put, put_step) = Box::pin(play.put()).await?;
    let lost_step = play.lose(&put).await?;
    let repair_step = play.repair(&put).await?;
    let mut steps = vec![put_step, lost_step, repair_step];
    steps.extend(play.damage(&put.ticket).await?);
    output.say("every byte came back as it was, each time")?;

    let (mut peers, file) = (play.peers, play.file);
    let kept = if args.keep {
        peers.leave().await?;
        stage.leave().await?;
        output.say(&kept::how_to_use(&peers, stage, &put.ticket))?;
        Some(kept::json(&peers, stage))
    } else {
        None
    };
    let report = DemoReport {
        file: file.display().to_string(),
        bytes,
        peers: args.peers,
        killed: args.kill,
        redundancy: args.redundancy.to_string(),
        ticket: put.ticket.to_string(),
        steps,
        kept,
    };
    if output.json { json_line(&report) } else { Ok(()) }
}

struct Play<'a> {
    output: Output,
    args: &'a DemoArgs,
    stage: &'a Stage,
    peers: DemoPeers,
    file: PathBuf,
    bytes: u64,
}

impl Play<'_> {
    /// Step 1: the file becomes shards.
    async fn put(&self) -> Result<(PutReport, StepReport), CliError> {
        self.output.say("1. put")?;
        let step = Step::start("put", &self.peers)?;
        let client = self.client().await?;
        let opened = tokio::fs::File::open(&self.file).await;
        let mut source = opened.map_err(|e| CliError::io(format!("opening {}", self.file.display()), e))?;
        let options =
            PutOptions { code: Some(self.args.redundancy), size_hint: Some(self.bytes), ..PutOptions::default() };
        let progress = Progress::default();
        let putting = client.engine().put(&mut source, &options, &progress);
        let put = bar::watch(self.output, bar::Work::Put, &progress, Box::pin(putting)).await;
        client.close().await;
        let put = put?;
        let names = self.peers.names();
        let map = Map { code: put.code, places: &put.places, names: &names }.draw();
        self.output.say(&format!("{}\n   {}; {}", map, amounts::count(put.chunks, "chunk"), width(&put.width)))?;
        let details =
            json!({ "chunks": put.chunks, "shards_pushed": put.shards_pushed, "survives": put.width.survives });
        let report = step.end(self.output, &self.peers, self.bytes, details)?;
        Ok((put, report))
    }

    /// Step 2: peers die, and the file comes back without them.
    async fn lose(&mut self, put: &PutReport) -> Result<StepReport, CliError> {
        let victims = self.victims(put);
        let names: Vec<_> = victims.iter().map(|(_, name)| name.as_str()).collect();
        let which = if names.is_empty() { "nobody".to_owned() } else { names.join(" and ") };
        self.output.say(&format!("2. kill {which}, get in a new process with an empty home"))?;
        let step = Step::start("get after losses", &self.peers)?;
        for (victim, _) in &victims {
            self.peers.kill(*victim).await?;
        }
        let fetched = self.fetch_and_compare("get-2", &put.ticket).await;
        let report = fetched.map_err(|error| error.hint(self.promise(put)))?;
        self.output.say(&format!(
            "   {} of {} decoded from parity; equal to the original",
            report.chunks_decoded,
            amounts::count(report.chunks, "chunk")
        ))?;
        let details = json!({ "killed": names, "get": report });
        step.end(self.output, &self.peers, self.bytes, details)
    }

    /// Step 3: what the dead held is made again on the living.
    async fn repair(&self, put: &PutReport) -> Result<StepReport, CliError> {
        self.output.say("3. repair")?;
        let step = Step::start("repair", &self.peers)?;
        let (repair, map) = self.repair_and_map(&put.ticket).await?;
        self.output.say(&format!("{map}\n   {} → {}", width(&repair.before), width(&repair.after)))?;
        if repair.after.shards < put.width.shards {
            let text = format!("repair left {} of {} shards", repair.after.shards, put.width.shards);
            return Err(CliError::new(Exit::Failed, text));
        }
        let details = repair_details(&repair);
        step.end(self.output, &self.peers, repair.bytes_pulled + repair.bytes_pushed, details)
    }

    /// Step 4: a byte changes on a disk; it is noticed, not served, and repaired.
    async fn damage(&self, ticket: &Ticket) -> Result<Vec<StepReport>, CliError> {
        let Some(damage) = flip_a_byte(&self.peers)? else {
            self.output.say("4. nothing to damage: an empty file has no shards")?;
            return Ok(Vec::new());
        };
        self.output.say(&format!("4. one byte flipped in shard {} of {}; get", damage.shard.index, damage.peer))?;
        let step = Step::start("get after damage", &self.peers)?;
        let report = self.fetch_and_compare("get-4", ticket).await?;
        let noticed = noticed(&damage, &report)?;
        self.output.say(&format!("   {noticed}; equal to the original"))?;
        let details =
            json!({ "shard": damage.shard.to_string(), "file": damage.file, "byte": damage.byte, "get": report });
        let got = step.end(self.output, &self.peers, self.bytes, details)?;

        self.output.say("   repair")?;
        let step = Step::start("repair after damage", &self.peers)?;
        let (repair, _) = self.repair_and_map(ticket).await?;
        if repair.shards_written != 1 {
            let text = format!("repair wrote {} shards where one was damaged", repair.shards_written);
            return Err(CliError::new(Exit::Failed, text));
        }
        self.output.say("   exactly 1 shard written")?;
        let details = repair_details(&repair);
        let repaired = step.end(self.output, &self.peers, repair.bytes_pulled + repair.bytes_pushed, details)?;
        Ok(vec![got, repaired])
    }

    /// The first peer, through which all others joined, and after it those that hold the most data shards.
    fn victims(&self, put: &PutReport) -> Vec<(PeerId, String)> {
        let data_shards = |id: PeerId| -> usize {
            let held = put.places.iter().flat_map(|stripe| &stripe.held).filter(|(holder, _)| *holder == id);
            held.map(|(_, set)| set.iter().filter(|index| index.get() < put.code.data()).count()).sum()
        };
        let mut names = self.peers.names();
        // The sort is stable: among equals the order of their numbers stays.
        if let Some((_, others)) = names.split_first_mut() {
            others.sort_by_key(|(id, _)| std::cmp::Reverse(data_shards(*id)));
        }
        names.truncate(self.args.kill.into());
        names
    }

    /// What the redundancy promised, for whoever killed more.
    fn promise(&self, put: &PutReport) -> String {
        let (survives, killed) = (put.width.survives, self.args.kill);
        format!("{} on {} peers survives the loss of {survives}; {killed} were killed", put.code, self.args.peers)
    }

    async fn fetch_and_compare(&self, name: &str, ticket: &Ticket) -> Result<GetJson, CliError> {
        let place = self.stage.path().join(name);
        let (report, copy) = fetch(&place, ticket, &self.peers.address()?).await?;
        compare(&self.file, &copy).await?;
        let removed = std::fs::remove_dir_all(&place);
        removed.map_err(|error| CliError::io(format!("removing {}", place.display()), error))?;
        Ok(report)
    }

    /// Repairs, and draws how the object stands then.
    async fn repair_and_map(&self, ticket: &Ticket) -> Result<(RepairReport, String), CliError> {
        let ticket = AnyTicket::Read(ticket.clone());
        let client = self.client().await?;
        let progress = Progress::default();
        let repairing = client.engine().repair(&ticket, &progress);
        let repair = bar::watch(self.output, bar::Work::Repair, &progress, repairing).await;
        let stat = client.engine().stat(&ticket).await;
        client.close().await;
        let (repair, stat) = (repair?, stat?);
        if !repair.lost.is_empty() {
            return Err(CliError::new(Exit::NotEnough, repair.lost.join("; ")));
        }
        let names = self.peers.names();
        Ok((repair, Map { code: stat.code, places: &stat.places, names: &names }.draw()))
    }

    async fn client(&self) -> Result<Client, CliError> {
        let home = Home::open(&self.stage.path().join("home"))?;
        let options = ClientOptions { via: vec![self.peers.address()?], ..ClientOptions::default() };
        Ok(Client::connect(&home, options).await?)
    }
}

/// What a get says of damage; an error if it says nothing.
fn noticed(damage: &Damage, report: &GetJson) -> Result<String, CliError> {
    if report.shards_bad == 0 && report.chunks_decoded == 0 {
        let text = format!("the damage of shard {} went unnoticed", damage.shard);
        return Err(CliError::new(Exit::Corrupt, text));
    }
    let bad = amounts::count(report.shards_bad, "shard");
    let decoded = amounts::count(report.chunks_decoded, "chunk");
    Ok(format!("noticed and not served: {bad} bad, {decoded} decoded around it"))
}

fn repair_details(repair: &RepairReport) -> serde_json::Value {
    json!({
        "stripes": repair.stripes,
        "shards_before": repair.before.shards,
        "shards_after": repair.after.shards,
        "shards_written": repair.shards_written,
        "nodes_written": repair.nodes_written,
    })
}
