//! Who wrote to a slot: the superblock of ext2, ext3 and ext4 remembers.
//!
//! In: the first 2 KiB of a slot. Out: what its superblock says about mounts and writes, if there is one
//! (kernel documentation, `filesystems/ext4/super.rst`).

/// Bytes that [`Superblock::read`] needs.
pub const HEAD_BYTES: usize = 2048;

/// The fields that name a culprit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Superblock {
    /// Mounts since the last check.
    pub mounts: u16,
    /// When it was mounted last, Unix seconds; 0 for never.
    pub mounted_at: u32,
    /// When it was written last, Unix seconds.
    pub written_at: u32,
    /// Where it was mounted last.
    pub mounted_on: String,
    /// Whether it was unmounted cleanly.
    pub clean: bool,
}

impl Superblock {
    /// Reads the superblock, which starts at byte 1024.
    pub fn read(head: &[u8; HEAD_BYTES]) -> Option<Self> {
        let block = &head[1024..];
        let u16_at = |at: usize| u16::from_le_bytes([block[at], block[at + 1]]);
        let u32_at = |at: usize| u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]]);
        if u16_at(0x38) != 0xef53 {
            return None;
        }
        let place = &block[0x88..0x88 + 64];
        let place = &place[..place.iter().position(|&b| b == 0).unwrap_or(place.len())];
        Some(Self {
            mounts: u16_at(0x34),
            mounted_at: u32_at(0x2c),
            written_at: u32_at(0x30),
            mounted_on: String::from_utf8_lossy(place).escape_debug().to_string(),
            clean: u16_at(0x3a) & 1 == 1,
        })
    }

    /// What the superblock says about how the slot came to differ from the released image.
    pub fn accuse(&self) -> String {
        let place = if self.mounted_on.is_empty() { String::new() } else { format!(" on {}", self.mounted_on) };
        match (self.mounted_at, self.mounts) {
            (0, _) => "it holds an ext file system that was never mounted for writing".to_owned(),
            (at, mounts) => format!(
                "its file system was mounted for writing {mounts} times{place}, last {}, and last written {}{}; mount it \
                 read-only (root flag 'ro', no fsck, no first-boot scripts that write to it)",
                date(at.into()),
                date(self.written_at.into()),
                if self.clean { "" } else { ", and not unmounted cleanly" },
            ),
        }
    }
}

/// A time for people, in UTC.
pub fn date(unix_seconds: u64) -> String {
    let (days, seconds) = (unix_seconds / 86_400, unix_seconds % 86_400);
    // Days to a civil date, Howard Hinnant's `civil_from_days` for dates from 1970 on.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_shifted + 2) / 5 + 1;
    let month = if month_shifted < 10 { month_shifted + 3 } else { month_shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let check = |seconds, expected| assert_eq!(date(seconds), expected);
        check(0, "1970-01-01 00:00:00 UTC");
        check(951_782_399, "2000-02-28 23:59:59 UTC");
        check(951_782_400, "2000-02-29 00:00:00 UTC");
        check(4_107_542_399, "2100-02-28 23:59:59 UTC");
        check(4_107_542_400, "2100-03-01 00:00:00 UTC");
        check(1_795_294_800, "2026-11-21 21:00:00 UTC");
    }

    #[test]
    fn the_superblock_names_the_mount() {
        let mut head = [0; HEAD_BYTES];
        assert_eq!(Superblock::read(&head), None);
        head[1024 + 0x38..1024 + 0x3a].copy_from_slice(&0xef53u16.to_le_bytes());
        head[1024 + 0x3a] = 1;
        assert!(Superblock::read(&head).unwrap().accuse().contains("never mounted"));
        head[1024 + 0x2c..1024 + 0x30].copy_from_slice(&951_782_400u32.to_le_bytes());
        head[1024 + 0x34] = 3;
        head[1024 + 0x88..1024 + 0x8d].copy_from_slice(b"/root");
        let text = Superblock::read(&head).unwrap().accuse();
        assert!(text.contains("mounted for writing 3 times on /root, last 2000-02-29"), "{text}");
    }
}
