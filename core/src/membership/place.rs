//! The bytes of what a node says of itself to the others: whether it is a witness, its zone, and
//! which feature levels its build knows.
//!
//! One byte, then the name of the zone if there is one, then the oldest and the newest level unless
//! both are the first. Of a node that is no witness and knows no other level these are the bytes of
//! an optional zone, as they were before there were either; a build from then refuses other updates
//! as malformed, and so takes nobody for what it is not.

use core::fmt;
use core::net::SocketAddr;

use serde::de::{Error, SeqAccess, Visitor};
use serde::ser::{SerializeStruct, SerializeTuple};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::message::{Evidence, State, Update};
use crate::id::{Incarnation, NodeId, Zone};
use crate::level::LevelRange;

const HAS_ZONE: u8 = 1;
const IS_WITNESS: u8 = 2;
const HAS_LEVELS: u8 = 4;

/// What is written.
struct PlaceRef<'a> {
    zone: Option<&'a Zone>,
    is_witness: bool,
    levels: LevelRange,
}

impl Serialize for PlaceRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let levels = Some(self.levels).filter(|levels| *levels != LevelRange::FIRST);
        let bit = |is_set, bit| if is_set { bit } else { 0 };
        let kind = bit(self.zone.is_some(), HAS_ZONE)
            | bit(self.is_witness, IS_WITNESS)
            | bit(levels.is_some(), HAS_LEVELS);
        let fields = 1 + usize::from(self.zone.is_some()) + usize::from(levels.is_some());
        let mut tuple = serializer.serialize_tuple(fields)?;
        tuple.serialize_element(&kind)?;
        if let Some(zone) = self.zone {
            tuple.serialize_element(zone)?;
        }
        if let Some(levels) = levels {
            tuple.serialize_element(&levels)?;
        }
        tuple.end()
    }
}

impl Serialize for Update {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let place = PlaceRef {
            zone: self.zone.as_ref(),
            is_witness: self.is_witness,
            levels: self.levels,
        };
        let mut fields = serializer.serialize_struct("Update", 6)?;
        fields.serialize_field("node", &self.node)?;
        fields.serialize_field("incarnation", &self.incarnation)?;
        fields.serialize_field("state", &self.state)?;
        fields.serialize_field("address", &self.address)?;
        fields.serialize_field("place", &place)?;
        fields.serialize_field("evidence", &self.evidence)?;
        fields.end()
    }
}

/// What is read.
struct Place {
    zone: Option<Zone>,
    is_witness: bool,
    levels: LevelRange,
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Place, D::Error> {
        deserializer.deserialize_tuple(3, PlaceVisitor)
    }
}

struct PlaceVisitor;

impl<'de> Visitor<'de> for PlaceVisitor {
    type Value = Place;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a byte of at most 7, a zone and levels if it says so")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut bytes: A) -> Result<Place, A::Error> {
        let ended = || A::Error::invalid_length(0, &PlaceVisitor);
        let kind: u8 = bytes.next_element()?.ok_or_else(ended)?;
        if kind > HAS_ZONE | IS_WITNESS | HAS_LEVELS {
            return Err(A::Error::custom("an unknown kind of member"));
        }
        let zone = match kind & HAS_ZONE {
            0 => None,
            _ => Some(bytes.next_element()?.ok_or_else(ended)?),
        };
        let levels = match kind & HAS_LEVELS {
            0 => LevelRange::FIRST,
            _ => bytes.next_element()?.ok_or_else(ended)?,
        };
        let is_witness = kind & IS_WITNESS != 0;
        Ok(Place {
            zone,
            is_witness,
            levels,
        })
    }
}

/// An update as it is read.
#[derive(Deserialize)]
pub(super) struct Told {
    node: NodeId,
    incarnation: Incarnation,
    state: State,
    address: SocketAddr,
    place: Place,
    evidence: Option<Evidence>,
}

impl From<Told> for Update {
    fn from(told: Told) -> Update {
        Update {
            node: told.node,
            incarnation: told.incarnation,
            state: told.state,
            address: told.address,
            zone: told.place.zone,
            is_witness: told.place.is_witness,
            levels: told.place.levels,
            evidence: told.evidence,
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::wire::codec;

    #[test]
    fn an_ordinary_member_has_the_bytes_of_an_optional_zone_and_others_have_their_own() {
        let zone = Zone::new("eu-1a").unwrap();
        for zone in [None, Some(zone)] {
            let bytes = |is_witness, levels| {
                let zone = zone.as_ref();
                let mut bytes = Vec::new();
                let place = PlaceRef {
                    zone,
                    is_witness,
                    levels,
                };
                codec::encode(&place, &mut bytes);
                bytes
            };
            let mut before = Vec::new();
            codec::encode(&zone, &mut before);
            assert_eq!(bytes(false, LevelRange::FIRST), before);
            for (is_witness, levels) in [
                (true, LevelRange::FIRST),
                (false, LevelRange::OURS),
                (true, LevelRange::OURS),
            ] {
                let told = bytes(is_witness, levels);
                assert!(codec::decode::<Option<Zone>>(&told).is_err());
                let place: Place = codec::decode(&told).unwrap();
                assert_eq!(
                    (place.zone, place.is_witness, place.levels),
                    (zone.clone(), is_witness, levels)
                );
            }
        }
        assert!(codec::decode::<Place>(&[4]).is_err());
        assert!(codec::decode::<Place>(&[8]).is_err());
    }
}
