//! The tables of an executable: regions and spans, those of the target as differences from those of the base.

use super::bits::{Bit, Number};
use super::coder::BitCoder;
use crate::reference::{Image, Region, RegionKind, Span};
use alloc::vec::Vec;
use delta_format::FormatError;

/// Regions of one executable, and spans: at most this many each.
pub(super) const TABLE_ROWS_MAX: usize = 512;

/// Bytes of the tables of one executable at most.
pub(super) const ROWS_BYTES_MAX: u64 = (TABLE_ROWS_MAX * (size_of::<Region>() + size_of::<Span>())) as u64;

/// Numbers of a row.
const FIELDS: usize = 6;

/// The models of tables.
#[derive(Debug, Default)]
pub(super) struct TableModels {
    rows: Number,
    equal: [[Bit; FIELDS]; 4],
    fields: [[Number; FIELDS]; 2],
}

type Row = [u64; FIELDS];

impl TableModels {
    /// Codes the tables of `image`, compared with those of `like`.
    ///
    /// # Errors
    /// [`FormatError`] for too many rows and unknown kinds.
    pub(super) fn code<C: BitCoder>(
        &mut self,
        coder: &mut C,
        image: Image,
        like: Option<&Image>,
    ) -> Result<Image, FormatError> {
        let spans = self.table(coder, image.spans(), like.map(Image::spans), 0)?;
        let regions = self.table(coder, image.regions(), like.map(Image::regions), 1)?;
        Ok(Image::new(spans, regions))
    }

    fn table<C: BitCoder, R: TableRow>(
        &mut self,
        coder: &mut C,
        rows: &[R],
        like: Option<&[R]>,
        kind: usize,
    ) -> Result<Vec<R>, FormatError> {
        let count = self.rows.code(coder, rows.len() as u64) as usize;
        if count > TABLE_ROWS_MAX {
            return Err(FormatError::LimitExceeded("table of an executable"));
        }
        let mut made = Vec::with_capacity(count);
        let (mut last, mut last_like) = ([0; FIELDS], [0; FIELDS]);
        for index in 0..count {
            let truth = rows.get(index).map_or([0; FIELDS], |row| row.to_row(&last));
            let expected = like.and_then(|like| like.get(index)).map_or([0; FIELDS], |row| row.to_row(&last_like));
            let has_like = like.is_some_and(|like| index < like.len());
            let mut row = [0; FIELDS];
            for (field, value) in row.iter_mut().enumerate() {
                let context = usize::from(has_like) * 2 + kind;
                let equal = self.equal[context][field].code(coder, truth[field] == expected[field]);
                let difference = truth[field].wrapping_sub(expected[field]) as i64;
                *value = match equal {
                    true => expected[field],
                    false => {
                        expected[field].wrapping_add(self.fields[kind][field].code_signed(coder, difference) as u64)
                    }
                };
            }
            let unknown = FormatError::BadField("table of an executable");
            made.push(R::from_row(&row, &last).ok_or(unknown)?);
            last = absolute(&row, &last);
            if let Some(row) = like.and_then(|like| like.get(index)) {
                last_like = absolute(&row.to_row(&last_like), &last_like);
            }
            if coder.failed() {
                return Err(FormatError::Truncated);
            }
        }
        Ok(made)
    }
}

/// What the next row is compared with: the end in the file, the distance from offset to address, and the parameter.
fn absolute(row: &Row, last: &Row) -> Row {
    let offset = last[0].wrapping_add(row[0]);
    [offset.wrapping_add(row[1]), row[1], last[2].wrapping_add(row[2]), row[3], last[4].wrapping_add(row[4]), row[5]]
}

/// A row as numbers: gap behind the last row, length, change of address minus offset, and two or three of its own.
trait TableRow: Sized {
    fn to_row(&self, last: &Row) -> Row;
    fn from_row(row: &Row, last: &Row) -> Option<Self>;
}

impl TableRow for Region {
    fn to_row(&self, last: &Row) -> Row {
        let bias = self.address.wrapping_sub(self.offset);
        [
            self.offset.wrapping_sub(last[0]),
            self.length,
            bias.wrapping_sub(last[2]),
            self.kind.number(),
            self.parameter.wrapping_sub(last[4]),
            0,
        ]
    }

    fn from_row(row: &Row, last: &Row) -> Option<Self> {
        let offset = last[0].wrapping_add(row[0]);
        Some(Self {
            offset,
            length: row[1],
            address: offset.wrapping_add(last[2]).wrapping_add(row[2]),
            kind: RegionKind::from_number(row[3])?,
            parameter: last[4].wrapping_add(row[4]),
        })
    }
}

impl TableRow for Span {
    fn to_row(&self, last: &Row) -> Row {
        let bias = self.address.wrapping_sub(self.offset);
        let rest = self.memory_bytes.wrapping_sub(self.file_bytes);
        [
            self.offset.wrapping_sub(last[0]),
            self.file_bytes,
            bias.wrapping_sub(last[2]),
            rest,
            0,
            u64::from(self.executable),
        ]
    }

    fn from_row(row: &Row, last: &Row) -> Option<Self> {
        let offset = last[0].wrapping_add(row[0]);
        Some(Self {
            offset,
            address: offset.wrapping_add(last[2]).wrapping_add(row[2]),
            file_bytes: row[1],
            memory_bytes: row[1].wrapping_add(row[3]),
            executable: row[5] == 1,
        })
    }
}
