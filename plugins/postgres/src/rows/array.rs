//! The binary form of PostgreSQL's arrays.

use super::fault::Fault;

/// The elements of an array of one dimension, none for null. Its lower bound is dropped.
pub(super) struct Elements<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> Elements<'a> {
    /// Dimensions, a flag for nulls, the elements' type, then length and lower bound of each dimension.
    pub(super) fn parse(value: &'a [u8]) -> Result<Self, Fault> {
        let (header, rest) = value.split_first_chunk::<12>().ok_or(Fault::Malformed)?;
        match i32::from_be_bytes([header[0], header[1], header[2], header[3]]) {
            0 => Ok(Self { rest, left: 0 }),
            1 => {
                let (bounds, rest) = rest.split_first_chunk::<8>().ok_or(Fault::Malformed)?;
                let length = i32::from_be_bytes([bounds[0], bounds[1], bounds[2], bounds[3]]);
                Ok(Self { rest, left: usize::try_from(length).map_err(|_| Fault::Malformed)? })
            }
            // A list of lists is another type, and which one a column holds is not declared.
            _ => Err(Fault::NoCounterpart),
        }
    }

    fn element(&mut self) -> Result<Option<&'a [u8]>, Fault> {
        let (length, rest) = self.rest.split_first_chunk::<4>().ok_or(Fault::Malformed)?;
        let length = i32::from_be_bytes(*length);
        self.rest = rest;
        if length < 0 {
            return Ok(None);
        }
        let length = usize::try_from(length).map_err(|_| Fault::Malformed)?;
        let (value, rest) = self.rest.split_at_checked(length).ok_or(Fault::Malformed)?;
        self.rest = rest;
        Ok(Some(value))
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<Option<&'a [u8]>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let element = self.element();
        if element.is_err() {
            self.left = 0;
        }
        Some(element)
    }
}
