//! The words that name a place: the head, the claims, and a state's reference to its terms.

/// The place of a slot or of a line of terms: the number of its lane, and which of the two it is.
///
/// ```text
/// 12                      1   0
/// |      lane number      | which |
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place(u64);

impl Place {
    pub(super) const BITS: u32 = 13;
    const MASK: u64 = (1 << Self::BITS) - 1;

    pub(super) const fn new(lane: usize, which: usize) -> Self {
        Self((lane << 1 | which) as u64 & Self::MASK)
    }

    /// The place in the low bits of `word`.
    #[inline(always)]
    pub(super) const fn in_word(word: u64) -> Self {
        Self(word & Self::MASK)
    }

    pub(super) const fn bits(self) -> u64 {
        self.0
    }

    pub(super) const fn lane(self) -> usize {
        (self.0 >> 1) as usize
    }

    pub(super) const fn which(self) -> usize {
        (self.0 & 1) as usize
    }
}

/// How many lanes a register can have.
pub(super) const LANES: usize = 1 << (Place::BITS - 1);

/// Which slot is current, and how many updates led to it.
///
/// ```text
/// 63                 13 12       0
/// |      version       |  place  |
/// ```
///
/// Never zero: the version is at least 1, until it wraps after 2^51 updates. (A lane that is then
/// released with the head 0 stays held.)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head(u64);

impl Head {
    const VERSION: u64 = 1 << Place::BITS;

    /// Version 1 in the first slot of lane 0.
    pub(super) const FIRST: Self = Self(Self::VERSION);

    #[inline(always)]
    pub(super) const fn from_word(word: u64) -> Self {
        Self(word)
    }

    pub(super) const fn word(self) -> u64 {
        self.0
    }

    pub(super) const fn place(self) -> Place {
        Place::in_word(self.0)
    }

    /// How many updates led to it.
    #[inline(always)]
    pub(super) const fn version(self) -> u64 {
        self.0 >> Place::BITS
    }

    /// A head of the same version at another place.
    #[inline(always)]
    pub(super) const fn at(self, place: Place) -> Self {
        Self(self.0 & !Place::MASK | place.bits())
    }

    /// The head of the next update, whose state is at `place`. The version wraps.
    #[inline(always)]
    pub(super) const fn next(self, place: Place) -> Self {
        let version = self.0.wrapping_add(Self::VERSION) & !(Self::VERSION - 1);
        Self(version | place.bits())
    }
}

/// A lane's claim: 0 while the lane is held, otherwise a head to start from. No slot of the lane has
/// become current since that head was loaded or set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ClaimWord(u64);

impl ClaimWord {
    pub(super) const HELD: Self = Self(0);

    #[inline(always)]
    pub(super) const fn free(head: Head) -> Self {
        Self(head.0)
    }

    #[inline(always)]
    pub(super) const fn from_word(word: u64) -> Self {
        Self(word)
    }

    pub(super) const fn word(self) -> u64 {
        self.0
    }

    /// The head in this word, or `None` if the lane is held.
    #[inline(always)]
    pub(super) const fn head(self) -> Option<Head> {
        match self.0 {
            0 => None,
            word => Some(Head(word)),
        }
    }
}

/// An entry in the list of a tree: a node, and the place of its current slot in it.
///
/// ```text
/// 63           13 12       0
/// |  node + 1   |  place   |     0: no node
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry(u64);

impl Entry {
    pub(super) const NONE: Self = Self(0);

    pub(super) const fn new(node: u32, place: Place) -> Self {
        Self((node as u64 + 1) << Place::BITS | place.bits())
    }

    #[inline(always)]
    pub(super) const fn from_word(word: u64) -> Self {
        Self(word)
    }

    pub(super) const fn word(self) -> u64 {
        self.0
    }

    #[inline(always)]
    pub(super) const fn node(self) -> Option<u32> {
        match self.0 >> Place::BITS {
            0 => None,
            after => Some((after - 1) as u32),
        }
    }

    #[inline(always)]
    pub(super) const fn names(self, node: u32) -> bool {
        self.0 >> Place::BITS == node as u64 + 1
    }

    pub(super) const fn place(self) -> Place {
        Place::in_word(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_gives_back_what_was_packed() {
        let mut head = Head::FIRST;
        for (lane, which) in [(0, 1), (1, 0), (LANES - 1, 1), (2_711, 0)] {
            let place = Place::new(lane, which);
            let next = head.next(place);
            assert_eq!(next.word() >> 13, (head.word() >> 13) + 1);
            assert_eq!(next.place(), place);
            assert_eq!((place.lane(), place.which()), (lane, which));
            head = next;
        }
    }

    #[test]
    fn the_version_wraps_and_leaves_the_place_alone() {
        let last = Head(u64::MAX).next(Place::new(7, 1));
        assert_eq!((last.word() >> 13, last.place()), (0, Place::new(7, 1)));
    }

    #[test]
    fn an_entry_gives_back_what_was_packed() {
        for node in [0, 1, 77, u32::MAX] {
            let place = Place::new(LANES - 1, 1);
            let entry = Entry::new(node, place);
            assert_eq!((entry.node(), entry.place()), (Some(node), place));
        }
        assert_eq!(Entry::NONE.node(), None);
    }

    #[test]
    fn a_claim_is_held_or_has_a_head() {
        let head = Head::FIRST.next(Place::new(LANES - 1, 1));
        assert_eq!(ClaimWord::free(head).head(), Some(head));
        assert_eq!(ClaimWord::HELD.head(), None);
    }
}
