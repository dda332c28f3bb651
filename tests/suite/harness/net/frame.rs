//! Ethernet frames, as far as a switch must know them: who sends, who receives, and where a payload can be falsified
//! so that the checksums of the kernel still hold.

pub type Mac = [u8; 6];

/// An interface has room for this much behind 14 bytes of head; nothing longer comes from one.
pub const FRAME_BYTES_MAX: usize = 1600;

const ETHERNET: usize = 14;
const TCP: u8 = 6;
const UDP: u8 = 17;

pub fn receiver(frame: &[u8]) -> Option<Mac> {
    frame.get(..6)?.try_into().ok()
}

pub fn sender(frame: &[u8]) -> Option<Mac> {
    frame.get(6..12)?.try_into().ok()
}

/// Whether everybody on the wire is meant, or a group that a switch does not know.
pub fn is_for_many(receiver: Mac) -> bool {
    receiver[0] & 1 == 1
}

/// Flips one bit of the payload of a TCP segment or UDP datagram over IPv4, chosen by `dice`, and mends the checksum
/// if `mend`: then only whoever authenticates the payload can tell. False if the frame carries none.
pub fn corrupt(frame: &mut [u8], dice: usize, mend: bool) -> bool {
    let Some((segment, head, sum)) = payload(frame) else { return false };
    let length = frame.len() - segment - head;
    if length == 0 {
        return false;
    }
    let at = segment + head + dice / 8 % length;
    let word = at - (at - segment) % 2;
    let before = word_at(frame, word);
    frame[at] ^= 1 << (dice % 8);
    let after = word_at(frame, word);
    let sum = segment + sum;
    let stored = u16::from_be_bytes([frame[sum], frame[sum + 1]]);
    // Zero says that a datagram has none.
    if mend && stored != 0 {
        frame[sum..sum + 2].copy_from_slice(&updated(stored, before, after).to_be_bytes());
    }
    true
}

/// Where the segment begins, how long its head is, and where in it the checksum stands.
fn payload(frame: &[u8]) -> Option<(usize, usize, usize)> {
    let is_ip4 = frame.get(12..14)? == [8, 0];
    let ip = frame.get(ETHERNET..)?;
    let segment = ETHERNET + usize::from(ip.first()? & 15) * 4;
    match *ip.get(9)? {
        _ if !is_ip4 => None,
        TCP => Some((segment, usize::from(frame.get(segment + 12)? >> 4) * 4, 16)),
        UDP => Some((segment, 8, 6)),
        _ => None,
    }
    .filter(|(segment, head, _)| segment + head <= frame.len())
}

fn word_at(frame: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([frame[at], frame.get(at + 1).copied().unwrap_or(0)])
}

/// A sum of words with its carries added in, as often as it takes.
fn folded(mut total: u32) -> u16 {
    loop {
        match u16::try_from(total) {
            Ok(sum) => return sum,
            Err(_) => total = (total & 0xffff) + (total >> 16),
        }
    }
}

/// RFC 1624: the checksum after one word changed.
fn updated(sum: u16, before: u16, after: u16) -> u16 {
    let total = u32::from(!sum) + u32::from(!before) + u32::from(after);
    !folded(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The checksum of a whole segment, with the pseudo head left out: a change must leave it as it was.
    fn sum(segment: &[u8]) -> u16 {
        let words = segment.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
        folded(words.sum())
    }

    #[test]
    fn a_mended_flip_keeps_the_sum_and_another_does_not() {
        let mut frame = vec![7; 14 + 20 + 8 + 33];
        frame[12..14].copy_from_slice(&[8, 0]);
        (frame[14], frame[14 + 9]) = (0x45, UDP);
        for dice in 0..400 {
            let mut mended = frame.clone();
            assert!(corrupt(&mut mended, dice, true));
            assert_eq!(sum(&mended[34..]), sum(&frame[34..]), "{dice}");
            assert_ne!(mended[42..], frame[42..]);
            let mut broken = frame.clone();
            assert!(corrupt(&mut broken, dice, false));
            assert_ne!(sum(&broken[34..]), sum(&frame[34..]), "{dice}");
        }
    }

    #[test]
    fn what_carries_no_payload_is_left_alone() {
        for mut frame in [vec![], vec![0; 13], vec![0; 60], [vec![0; 12], vec![8, 0, 0x45]].concat()] {
            let before = frame.clone();
            assert!(!corrupt(&mut frame, 3, true));
            assert_eq!(frame, before);
        }
    }
}
