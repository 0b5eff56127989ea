//! The two fields of a certificate that the verifier does not hand out: serial number and end of
//! validity (RFC 5280 §4.1.2.2, §4.1.2.5). Read from DER that the verifier has accepted, or is
//! about to judge; anything else reads as nothing.

/// What is left of some DER, read element by element.
#[derive(Clone, Copy)]
struct Der<'a>(&'a [u8]);

const INTEGER: u8 = 0x02;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xA0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

impl<'a> Der<'a> {
    /// The next element's tag and content.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, mut rest) = rest.split_first()?;
        let mut len = usize::from(first);
        if first & 0x80 != 0 {
            let count = usize::from(first & 0x7F);
            if count == 0 || count > 4 {
                return None;
            }
            let (bytes, behind) = rest.split_at_checked(count)?;
            len = bytes
                .iter()
                .fold(0, |len, byte| len << 8 | usize::from(*byte));
            rest = behind;
        }
        let (content, behind) = rest.split_at_checked(len)?;
        self.0 = behind;
        Some((tag, content))
    }

    fn expect(&mut self, wanted: u8) -> Option<&'a [u8]> {
        self.next()
            .and_then(|(tag, content)| (tag == wanted).then_some(content))
    }
}

/// The fields from the serial number on.
fn fields(certificate: &[u8]) -> Option<Der<'_>> {
    let mut outer = Der(Der(certificate).expect(SEQUENCE)?);
    let inner = outer.expect(SEQUENCE)?;
    let mut behind_version = Der(inner);
    let is_versioned = inner.first() == Some(&VERSION);
    if is_versioned {
        behind_version.next()?;
    }
    Some(behind_version)
}

/// The serial number, without leading zeros, in hex.
pub(super) fn serial(certificate: &[u8]) -> Option<String> {
    let bytes = fields(certificate)?.expect(INTEGER)?;
    let start = bytes.iter().position(|byte| *byte != 0);
    let start = start.unwrap_or(bytes.len());
    Some(
        bytes[start..]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
    )
}

/// The last moment of validity, in seconds since 1970.
pub(super) fn valid_until(certificate: &[u8]) -> Option<u64> {
    let mut fields = fields(certificate)?;
    fields.expect(INTEGER)?;
    fields.expect(SEQUENCE)?;
    fields.expect(SEQUENCE)?;
    let mut validity = Der(fields.expect(SEQUENCE)?);
    validity.next()?;
    let (tag, text) = validity.next()?;
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year: u64 = year.parse().ok()?;
            (year + if year < 50 { 2000 } else { 1900 }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    seconds(year, rest)
}

/// From a year and `MMDDHHMMSS`.
fn seconds(year: u64, rest: &str) -> Option<u64> {
    let part = |at: usize| -> Option<u64> { rest.get(at..at + 2)?.parse().ok() };
    let (month, day) = (part(0)?, part(2)?);
    if rest.len() != 10 || year < 1970 || !(1..=12).contains(&month) || day == 0 {
        return None;
    }
    // Years from March on, so that a leap day ends one.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    let days = days.checked_sub(719_468)?;
    Some(((days * 24 + part(4)?) * 60 + part(6)?) * 60 + part(8)?)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, SerialNumber, date_time_ymd};

    use super::*;

    fn made(serial: &[u8], year: i32, month: u8, day: u8) -> Vec<u8> {
        let mut params = CertificateParams::new(["n1.test.quorate".to_owned()]).expect("a name");
        params.serial_number = Some(SerialNumber::from_slice(serial));
        params.not_after = date_time_ymd(year, month, day);
        let key = KeyPair::generate().expect("a key");
        params.self_signed(&key).expect("signed").der().to_vec()
    }

    #[test]
    fn serial_and_end_are_read() {
        for (year, month, day, expected) in [
            (2000, 2, 29, 951_782_400),
            (2027, 12, 31, 1_830_211_200),
            (2050, 1, 1, 2_524_608_000),
            (4096, 1, 1, 67_090_118_400),
        ] {
            let certificate = made(&[0x7F, 0, 0xAB], year, month, day);
            assert_eq!(
                valid_until(&certificate),
                Some(expected),
                "{year}-{month}-{day}"
            );
            assert_eq!(serial(&certificate).as_deref(), Some("7f00ab"));
        }
        assert_eq!(
            serial(&made(&[0x80, 1], 2030, 1, 1)).as_deref(),
            Some("8001")
        );
    }

    #[test]
    fn what_is_no_certificate_reads_as_nothing() {
        let certificate = made(&[1], 2030, 1, 1);
        for len in 0..60 {
            assert_eq!(valid_until(&certificate[..len]), None);
        }
        for at in 0..certificate.len() {
            let mut damaged = certificate.clone();
            damaged[at] ^= 0xFF;
            let _nothing_breaks = (serial(&damaged), valid_until(&damaged));
        }
    }
}
