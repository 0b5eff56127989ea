//! The bytes of what a node's configuration says of it to the others: whether it is a witness, and
//! its zone.
//!
//! One byte, then the name of the zone if there is one. Of a node that is no witness these are the
//! bytes of an optional zone, as they were before there were witnesses; a build that knows none
//! refuses the update of a witness as malformed, and so never takes one for an ordinary member.

use core::fmt;
use core::net::SocketAddr;

use serde::de::{Error, SeqAccess, Visitor};
use serde::ser::{SerializeStruct, SerializeTuple};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::message::{Evidence, State, Update};
use crate::id::{Incarnation, NodeId, Zone};

const HAS_ZONE: u8 = 1;
const IS_WITNESS: u8 = 2;

/// What is written.
struct PlaceRef<'a> {
    zone: Option<&'a Zone>,
    is_witness: bool,
}

impl Serialize for PlaceRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let kind = if self.is_witness { IS_WITNESS } else { 0 };
        let Some(zone) = self.zone else {
            let mut tuple = serializer.serialize_tuple(1)?;
            tuple.serialize_element(&kind)?;
            return tuple.end();
        };
        let mut tuple = serializer.serialize_tuple(2)?;
        tuple.serialize_element(&(kind | HAS_ZONE))?;
        tuple.serialize_element(zone)?;
        tuple.end()
    }
}

impl Serialize for Update {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let place = PlaceRef {
            zone: self.zone.as_ref(),
            is_witness: self.is_witness,
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
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Place, D::Error> {
        deserializer.deserialize_tuple(2, PlaceVisitor)
    }
}

struct PlaceVisitor;

impl<'de> Visitor<'de> for PlaceVisitor {
    type Value = Place;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a byte of at most 3, and a zone if it is odd")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut bytes: A) -> Result<Place, A::Error> {
        let ended = || A::Error::invalid_length(0, &PlaceVisitor);
        let kind: u8 = bytes.next_element()?.ok_or_else(ended)?;
        if kind > HAS_ZONE | IS_WITNESS {
            return Err(A::Error::custom("an unknown kind of member"));
        }
        let zone = match kind & HAS_ZONE {
            0 => None,
            _ => Some(bytes.next_element()?.ok_or_else(ended)?),
        };
        let is_witness = kind & IS_WITNESS != 0;
        Ok(Place { zone, is_witness })
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
    fn an_ordinary_member_has_the_bytes_of_an_optional_zone_and_a_witness_its_own() {
        let zone = Zone::new("eu-1a").unwrap();
        for zone in [None, Some(zone)] {
            let bytes = |is_witness| {
                let zone = zone.as_ref();
                let mut bytes = Vec::new();
                codec::encode(&PlaceRef { zone, is_witness }, &mut bytes);
                bytes
            };
            let mut before = Vec::new();
            codec::encode(&zone, &mut before);
            assert_eq!(bytes(false), before);
            let told = bytes(true);
            assert!(codec::decode::<Option<Zone>>(&told).is_err());
            let place: Place = codec::decode(&told).unwrap();
            assert_eq!((place.zone, place.is_witness), (zone.clone(), true));
        }
        assert!(codec::decode::<Place>(&[4]).is_err());
    }
}
