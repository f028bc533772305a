//! Where in a tree of pools something is.

use std::fmt;
use std::hash::{Hash, Hasher};

use crate::register::{BELOW_ROOT, LABEL_WORDS};

/// The most bytes that a label can have.
pub(crate) const LABEL_BYTES: usize = 8 * LABEL_WORDS;

/// What a pool of a tree is called: up to 32 bytes, without control characters. An empty one is no label.
///
/// Labels are for people. They need not be unique.
///
/// # Examples
///
/// ```
/// use token_budget_pool::Label;
///
/// let label = Label::new("run 7")?;
/// assert_eq!(label.as_str(), "run 7");
/// assert!(Label::new("a name that takes far more than 32 bytes").is_err());
/// # Ok::<(), token_budget_pool::InvalidChild>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label {
    /// Padded with zeros, which are control characters.
    bytes: [u8; LABEL_BYTES],
}

impl Label {
    /// No label.
    pub const NONE: Label = Label {
        bytes: [0; LABEL_BYTES],
    };

    /// A label of this text.
    ///
    /// # Errors
    ///
    /// [`InvalidChild`] if it takes more than 32 bytes, or has a control character.
    pub fn new(text: &str) -> Result<Label, InvalidChild> {
        let mut label = Label::NONE;
        match label.bytes.get_mut(..text.len()) {
            Some(bytes) if !text.contains(char::is_control) => {
                bytes.copy_from_slice(text.as_bytes());
                Ok(label)
            }
            _ => Err(InvalidChild::Label(text.into())),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        let length = self.bytes.iter().position(|&byte| byte == 0);
        let text = &self.bytes[..length.unwrap_or(LABEL_BYTES)];
        // It was valid when the label was made.
        std::str::from_utf8(text).unwrap_or_default()
    }

    /// Whether it is no label.
    pub fn is_empty(&self) -> bool {
        *self == Label::NONE
    }

    pub(crate) fn words(&self) -> [u64; LABEL_WORDS] {
        std::array::from_fn(|index| {
            let bytes = &self.bytes[8 * index..8 * index + 8];
            bytes
                .iter()
                .rev()
                .fold(0, |word, &byte| word << 8 | u64::from(byte))
        })
    }

    pub(crate) fn from_words(words: [u64; LABEL_WORDS]) -> Label {
        Label {
            bytes: std::array::from_fn(|index| words[index / 8].to_le_bytes()[index % 8]),
        }
    }
}

impl Default for Label {
    fn default() -> Label {
        Label::NONE
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl TryFrom<&str> for Label {
    type Error = InvalidChild;

    fn try_from(text: &str) -> Result<Label, InvalidChild> {
        Label::new(text)
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Label {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Label {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Label, D::Error> {
        let text = String::deserialize(deserializer)?;
        Label::new(&text).map_err(serde::de::Error::custom)
    }
}

/// A level of a tree of pools: that of the pool which was asked, or of one above it.
///
/// Two levels are equal if their depths and labels are. So compare only levels on the way from one pool to its
/// root: siblings may be equal.
///
/// `Display` is what an error message says: `"run 7" (level 1)`, or `the root`.
#[derive(Debug, Clone, Copy)]
pub struct Level {
    pub(crate) depth: u8,
    pub(crate) label: Label,
    /// Whether it was a pool below that was asked. Only then does a message name the root.
    pub(crate) asked_below: bool,
}

impl Level {
    /// The root of a tree, and a pool that is in none.
    pub const ROOT: Level = Level {
        depth: 0,
        label: Label::NONE,
        asked_below: false,
    };

    /// A level whose label is not known yet.
    #[inline(always)]
    pub(crate) fn at(depth: u8) -> Level {
        Level {
            depth,
            ..Level::ROOT
        }
    }

    /// How far below the root it is. The root is at 0, its children are at 1.
    pub fn depth(&self) -> u8 {
        self.depth
    }

    /// What the pool is called. The root has no label.
    pub fn label(&self) -> &str {
        self.label.as_str()
    }
}

impl PartialEq for Level {
    fn eq(&self, other: &Level) -> bool {
        (self.depth, self.label) == (other.depth, other.label)
    }
}

impl Eq for Level {}

impl Hash for Level {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.depth, self.label).hash(state);
    }
}

/// What a message says of the level: nothing, if it is the root's that was asked itself.
pub(crate) struct Of(pub(crate) Level);

impl fmt::Display for Of {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Level {
                depth: 0,
                asked_below: false,
                ..
            } => Ok(()),
            level => write!(f, " of {level}"),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.depth, self.label.is_empty()) {
            (0, _) => f.write_str("the root"),
            (depth, true) => write!(f, "level {depth}"),
            (depth, false) => write!(f, "\"{}\" (level {depth})", self.label),
        }
    }
}

/// Why a child could not be made. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InvalidChild {
    /// Its label is longer than 32 bytes, or has a control character.
    Label(String),
    /// Its parent is on the deepest level that there is: the seventh below the root.
    TooDeep,
    /// The tree has 134,217,727 pools below its root, as many as it can have.
    TooMany,
}

impl fmt::Display for InvalidChild {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InvalidChild::Label(text) if text.len() > LABEL_BYTES => write!(
                f,
                "invalid label {text:?}: it has {} bytes, and {LABEL_BYTES} are the most",
                text.len()
            ),
            InvalidChild::Label(text) => {
                write!(f, "invalid label {text:?}: it has a control character")
            }
            InvalidChild::TooDeep => write!(
                f,
                "invalid child: its parent is on level {BELOW_ROOT}, the deepest that there is"
            ),
            InvalidChild::TooMany => {
                f.write_str("invalid child: the tree has as many pools as it can have")
            }
        }
    }
}

impl std::error::Error for InvalidChild {}
