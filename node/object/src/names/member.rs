//! Who may read a bucket, and who may write to it.
//!
//! Whoever is let in is handed every key of the bucket, so that old data opens. Whoever is shut out takes with it what it
//! knew: from then on everything is sealed under a fresh key, which is wrapped for each one that is left. What it wrote
//! stays good, and nothing that is sealed later can be passed off as its own.

use storgo_pipeline::wrap;
use storgo_protocol::cluster::{Bucket as Row, FormerWriter, MemberKeys};
use storgo_protocol::limits::{BUCKET_FORMER_MAX, BUCKET_KEYS_MAX, BUCKET_MEMBERS_MAX, BUCKET_WRAPPED_BYTES_MAX};
use storgo_protocol::meta::BucketMember;
use storgo_protocol::{BucketKey, MemberCard, PeerId};

use super::Names;
use super::error::NameError;
use super::known::Known;
use crate::error::ObjectError;

/// What a member may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Read.
    Read,
    /// Read and write.
    Write,
}

impl Names {
    /// Lets a user in, or changes what it may do. Gives the bucket as it is then.
    ///
    /// # Errors
    /// [`NameError::Denied`] if the bucket is another user's, [`NameError::Invalid`] if it cannot have more members.
    pub async fn add_member(&self, name: &str, card: &MemberCard, access: Access) -> Result<Row, ObjectError> {
        let (user, writes) = (card.user(), access == Access::Write);
        let changed = self.change(name, |known| {
            let mut row = known.row.clone();
            if user == row.owner && !writes {
                return Err(invalid(name, "its owner can always write"));
            }
            let wanted = BucketMember { user, writes };
            if row.config.members.contains(&wanted) && row.keys_of(user).is_some_and(|keys| keys.key == card.key()) {
                return Ok(None);
            }
            let could_write = row.config.admits(user, true);
            take_out(&mut row, user);
            if could_write && !writes {
                remember_writer(&mut row, user)?;
            }
            if writes {
                row.former.retain(|former| former.user != user);
            }
            let keys = MemberKeys { user, key: card.key(), wrapped: self.wrap_all(known, card)? };
            put_in(&mut row, wanted, keys);
            within_bounds(name, &row)?;
            Ok(Some(row))
        });
        Ok(changed.await?.row)
    }

    /// Shuts a user out. Gives the bucket as it is then.
    ///
    /// # Errors
    /// [`NameError::NoKey`] if it is no member, [`NameError::Invalid`] for the owner, and if the bucket's key was changed
    /// too often already.
    pub async fn remove_member(&self, name: &str, user: PeerId) -> Result<Row, ObjectError> {
        let changed = self.change(name, |known| {
            let mut row = known.row.clone();
            if user == row.owner {
                return Err(invalid(name, "its owner cannot be shut out"));
            }
            if row.keys_of(user).is_none() {
                let reason = format!("{user} as a member of {name}");
                return Err(NameError::NoKey { what: reason }.into());
            }
            if row.config.admits(user, true) {
                remember_writer(&mut row, user)?;
            }
            take_out(&mut row, user);
            self.rotate(known, &mut row)?;
            within_bounds(name, &row)?;
            Ok(Some(row))
        });
        Ok(changed.await?.row)
    }

    /// All keys of a bucket, wrapped for a user.
    fn wrap_all(&self, known: &Known, card: &MemberCard) -> Result<Vec<storgo_protocol::WrappedKey>, ObjectError> {
        // Without the newest nothing could be written, and nobody could be let in.
        known.key(known.row.key_generation)?;
        let wrap = |(generation, key)| wrap(key, known.id(), generation, &card.key(), self.engine.random.array());
        Ok(known.keys().map(wrap).collect::<Result<_, _>>()?)
    }

    /// A fresh key, wrapped for each member; access keys are sealed under it.
    fn rotate(&self, known: &Known, row: &mut Row) -> Result<(), ObjectError> {
        let generation = row.key_generation.checked_add(1).ok_or_else(|| invalid(&row.name, TOO_OFTEN))?;
        let key = BucketKey::from_bytes(self.engine.random.array());
        for member in &mut row.keys {
            let random = self.engine.random.array();
            member.wrapped.push(wrap(&key, row.config.bucket, generation, &member.key, random)?);
        }
        row.key_generation = generation;
        self.reseal_access_keys(known, row, &key)
    }
}

const TOO_OFTEN: &str = "its key was changed too often already; copy what is left into a new bucket";

/// What it wrote stays good.
fn remember_writer(row: &mut Row, user: PeerId) -> Result<(), ObjectError> {
    let former = FormerWriter { user, key_generation: row.key_generation };
    match row.former.binary_search_by_key(&user, |former| former.user) {
        Ok(at) => row.former.get_mut(at).map_or((), |known| *known = former),
        Err(_) if row.former.len() >= BUCKET_FORMER_MAX => return Err(invalid(&row.name, TOO_OFTEN)),
        Err(at) => row.former.insert(at, former),
    }
    Ok(())
}

fn take_out(row: &mut Row, user: PeerId) {
    row.config.members.retain(|member| member.user != user);
    row.keys.retain(|keys| keys.user != user);
}

fn put_in(row: &mut Row, member: BucketMember, keys: MemberKeys) {
    let at = row.config.members.partition_point(|known| known.user < member.user);
    row.config.members.insert(at, member);
    row.keys.insert(at, keys);
}

fn within_bounds(name: &str, row: &Row) -> Result<(), ObjectError> {
    let bytes: usize = row.keys.iter().flat_map(|keys| &keys.wrapped).map(|key| key.encode().len()).sum();
    if row.config.members.len() > BUCKET_MEMBERS_MAX {
        return Err(invalid(name, "it has as many members as a bucket can have"));
    }
    if row.keys.iter().any(|keys| keys.wrapped.len() > BUCKET_KEYS_MAX) {
        return Err(invalid(name, TOO_OFTEN));
    }
    if bytes > BUCKET_WRAPPED_BYTES_MAX {
        return Err(invalid(name, "the keys of its members take more room than a bucket has"));
    }
    Ok(())
}

fn invalid(name: &str, reason: &str) -> ObjectError {
    NameError::Invalid { what: name.to_owned(), reason: reason.to_owned() }.into()
}
