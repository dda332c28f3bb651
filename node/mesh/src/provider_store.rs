//! Provider records of the DHT in memory: bounded, and expired ones make room.
//!
//! libp2p's own store never forgets a record of a peer that is not asked for, so it fills up and then refuses
//! everything. Values are not kept at all: storgo puts none into the DHT.

use std::borrow::Cow;
use std::collections::{HashMap, hash_map};
use std::iter::{Empty, Map, empty};
use std::time::Instant;

use libp2p::PeerId;
use libp2p::kad::store::{Error, RecordStore};
use libp2p::kad::{ProviderRecord, Record, RecordKey};
use storgo_protocol::limits::{DHT_PROVIDED_KEYS_MAX, DHT_PROVIDERS_PER_KEY_MAX, PEER_ADDRESSES_MAX};

use crate::dht;

/// The provider records that this side keeps for others, and its own.
#[derive(Debug)]
pub(crate) struct ProviderStore {
    me: PeerId,
    others: HashMap<RecordKey, Vec<ProviderRecord>>,
    /// Not bounded here: these are as many as nodes are published from this side's disks.
    own: HashMap<RecordKey, ProviderRecord>,
    keys_max: usize,
}

impl ProviderStore {
    pub(crate) fn new(me: PeerId) -> Self {
        Self { me, others: HashMap::new(), own: HashMap::new(), keys_max: DHT_PROVIDED_KEYS_MAX }
    }

    fn forget_expired(&mut self) {
        let now = Instant::now();
        self.others.retain(|_, providers| {
            providers.retain(|record| !record.is_expired(now));
            !providers.is_empty()
        });
    }
}

impl RecordStore for ProviderStore {
    type RecordsIter<'a> = Empty<Cow<'a, Record>>;
    type ProvidedIter<'a> =
        Map<hash_map::Values<'a, RecordKey, ProviderRecord>, fn(&'a ProviderRecord) -> Cow<'a, ProviderRecord>>;

    fn get(&self, _: &RecordKey) -> Option<Cow<'_, Record>> {
        None
    }

    fn put(&mut self, _: Record) -> Result<(), Error> {
        Err(Error::MaxRecords)
    }

    fn remove(&mut self, _: &RecordKey) {}

    fn records(&self) -> Self::RecordsIter<'_> {
        empty()
    }

    fn add_provider(&mut self, mut record: ProviderRecord) -> Result<(), Error> {
        if record.provider == self.me {
            self.own.insert(record.key.clone(), record);
            return Ok(());
        }
        if !self.others.contains_key(&record.key) && self.others.len() >= self.keys_max {
            self.forget_expired();
            if self.others.len() >= self.keys_max {
                return Err(Error::MaxProvidedKeys);
            }
        }
        let inner = dht::narrower(record.addresses.iter());
        record.addresses.retain(|address| !inner.contains(address));
        record.addresses.truncate(PEER_ADDRESSES_MAX);
        let now = Instant::now();
        let providers = self.others.entry(record.key.clone()).or_default();
        providers.retain(|known| known.provider != record.provider && !known.is_expired(now));
        // Whoever was first stays, so that a flood of false providers does not drive true ones out.
        if providers.len() < DHT_PROVIDERS_PER_KEY_MAX {
            providers.push(record);
        }
        Ok(())
    }

    fn providers(&self, key: &RecordKey) -> Vec<ProviderRecord> {
        self.own.get(key).into_iter().chain(self.others.get(key).into_iter().flatten()).cloned().collect()
    }

    fn provided(&self) -> Self::ProvidedIter<'_> {
        self.own.values().map(Cow::Borrowed)
    }

    fn remove_provider(&mut self, key: &RecordKey, provider: &PeerId) {
        if *provider == self.me {
            self.own.remove(key);
        } else if let Some(providers) = self.others.get_mut(key) {
            providers.retain(|record| record.provider != *provider);
            if providers.is_empty() {
                self.others.remove(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(key: u8, provider: PeerId, expires: Option<Instant>) -> ProviderRecord {
        ProviderRecord { key: vec![key].into(), provider, expires, addresses: Vec::new() }
    }

    #[test]
    fn a_full_store_forgets_the_expired_and_refuses_the_rest() {
        let [me, other] = [PeerId::random(), PeerId::random()];
        let mut store = ProviderStore { keys_max: 2, ..ProviderStore::new(me) };
        store.add_provider(record(1, other, Some(Instant::now()))).unwrap();
        store.add_provider(record(2, other, None)).unwrap();
        store.add_provider(record(3, other, None)).unwrap();
        assert!(store.providers(&vec![1].into()).is_empty());
        assert!(matches!(store.add_provider(record(4, other, None)), Err(Error::MaxProvidedKeys)));
        // Its own always fit.
        store.add_provider(record(4, me, None)).unwrap();
        assert_eq!(store.providers(&vec![4].into()).len(), 1);
        assert_eq!(store.provided().count(), 1);
        store.remove_provider(&vec![4].into(), &me);
        store.remove_provider(&vec![3].into(), &other);
        store.add_provider(record(5, other, None)).unwrap();
    }

    #[test]
    fn providers_of_one_key_are_bounded_and_told_apart() {
        let mut store = ProviderStore::new(PeerId::random());
        let first = PeerId::random();
        for provider in [first, first].into_iter().chain((0..100).map(|_| PeerId::random())) {
            store.add_provider(record(1, provider, None)).unwrap();
        }
        let providers = store.providers(&vec![1].into());
        assert_eq!(providers.len(), DHT_PROVIDERS_PER_KEY_MAX);
        assert_eq!(providers.iter().filter(|record| record.provider == first).count(), 1);
    }

    #[test]
    fn a_store_takes_as_many_keys_as_its_bound_and_few_addresses_of_each_provider() {
        let [me, other] = [PeerId::random(), PeerId::random()];
        let mut store = ProviderStore::new(me);
        let address: libp2p::Multiaddr = "/ip4/192.0.2.1/tcp/1".parse().unwrap();
        let addresses = vec![address; 5 * PEER_ADDRESSES_MAX];
        store.add_provider(ProviderRecord { addresses, ..record(0, other, None) }).unwrap();
        assert_eq!(store.providers(&vec![0].into())[0].addresses.len(), PEER_ADDRESSES_MAX);
        let keys = u32::try_from(DHT_PROVIDED_KEYS_MAX).unwrap();
        let numbered = |n: u32| ProviderRecord { key: n.to_le_bytes().to_vec().into(), ..record(0, other, None) };
        (1..keys).for_each(|n| store.add_provider(numbered(n)).unwrap());
        assert!(matches!(store.add_provider(numbered(keys)), Err(Error::MaxProvidedKeys)));
        assert!(matches!(store.put(Record::new(vec![1], vec![1])), Err(Error::MaxRecords)), "values are not kept");
    }
}
