//! Strings one after the other: their bytes, and where each starts.

/// Labels, ids or metadata values of one data file, read where they lie.
#[derive(Debug, Clone, Copy)]
pub(super) struct Strings<'a> {
    bytes: &'a [u8],
    offsets: Offsets<'a>,
}

impl<'a> Strings<'a> {
    pub(super) fn new(bytes: &'a [u8], offsets: Offsets<'a>) -> Self {
        Self { bytes, offsets }
    }

    /// String `i`; None where the offsets or the bytes are damaged.
    pub(super) fn get(&self, i: usize) -> Option<&'a str> {
        std::str::from_utf8(self.bytes(i)?).ok()
    }

    /// Its bytes; None where the offsets are damaged.
    pub(super) fn bytes(&self, i: usize) -> Option<&'a [u8]> {
        self.bytes.get(self.offsets.get(i)?..self.offsets.get(i + 1)?)
    }
}

/// Little-endian 64-bit integers, wherever they start.
#[derive(Debug, Clone, Copy)]
pub(super) struct Offsets<'a>(&'a [[u8; 8]]);

impl<'a> Offsets<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes.as_chunks().0)
    }

    pub(super) fn get(&self, i: usize) -> Option<usize> {
        usize::try_from(i64::from_le_bytes(*self.0.get(i)?)).ok()
    }

    pub(super) fn iter(self) -> impl Iterator<Item = i64> + 'a {
        self.0.iter().map(|bytes| i64::from_le_bytes(*bytes))
    }

    /// Whether they start at 0, never fall (`strict`: always grow) and end at `end`.
    pub(super) fn tile(self, end: usize, strict: bool) -> bool {
        let mut last = None;
        for offset in self.iter() {
            let fits = match last {
                None => offset == 0,
                Some(last) if strict => offset > last,
                Some(last) => offset >= last,
            };
            if !fits {
                return false;
            }
            last = Some(offset);
        }
        last.and_then(|last| usize::try_from(last).ok()) == Some(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(offsets: &[i64]) -> Vec<u8> {
        offsets.iter().flat_map(|offset| offset.to_le_bytes()).collect()
    }

    #[test]
    fn reads_strings_where_they_lie() {
        let mut raw = vec![0];
        raw.extend(bytes(&[0, 2, 2, 5]));
        let strings = Strings::new("éabc".as_bytes(), Offsets::new(&raw[1..]));
        assert_eq!(strings.get(0), Some("é"));
        assert_eq!(strings.get(1), Some(""));
        assert_eq!(strings.get(2), Some("abc"));
        assert_eq!(strings.get(3), None);
    }

    #[test]
    fn damage_is_none_and_never_a_panic() {
        for offsets in [[0, 1], [1, 0], [-1, 2], [0, 9], [i64::MIN, i64::MAX]] {
            let raw = bytes(&offsets);
            assert_eq!(Strings::new("éabc".as_bytes(), Offsets::new(&raw)).get(0), None);
        }
    }

    #[test]
    fn offsets_tile_their_range() {
        for (offsets, end, growing, strictly) in [
            (&[0, 2, 2, 5][..], 5, true, false),
            (&[0, 2, 5], 5, true, true),
            (&[0], 0, true, true),
            (&[0, 2, 5], 6, false, false),
            (&[1, 5], 5, false, false),
            (&[0, 7, 5], 5, false, false),
            (&[0, -1], 0, false, false),
            (&[], 0, false, false),
        ] {
            let raw = bytes(offsets);
            assert_eq!(Offsets::new(&raw).tile(end, false), growing, "{offsets:?}");
            assert_eq!(Offsets::new(&raw).tile(end, true), strictly, "{offsets:?}");
        }
    }
}
