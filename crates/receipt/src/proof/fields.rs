//! Reading field elements, commitments and counts; every failure says where.

use openvm_stark_backend::p3_field::{BasedVectorSpace as _, PrimeCharacteristicRing as _, PrimeField32 as _};
use openvm_stark_sdk::config::baby_bear_poseidon2::{D_EF, DIGEST_SIZE, Digest as Commit, EF, F};

use super::{Problem, ProofError};
use crate::bytes::Reader;

/// Bytes of an element of the base field.
pub(super) const F_BYTES: usize = 4;
/// Bytes of an element of the extension field.
pub(super) const EF_BYTES: usize = F_BYTES * D_EF;
/// Bytes of a commitment.
pub(super) const COMMIT_BYTES: usize = F_BYTES * DIGEST_SIZE;
/// Bytes of a count.
pub(super) const COUNT_BYTES: usize = 4;

/// A reader that knows what it is reading.
pub(super) struct Fields<'a> {
    reader: Reader<'a>,
    part: &'static str,
}

impl<'a> Fields<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { reader: Reader::new(bytes), part: "proof" }
    }

    /// Names what is read next.
    pub(super) const fn part(&mut self, part: &'static str) -> &mut Self {
        self.part = part;
        self
    }

    pub(super) const fn at(&self) -> usize {
        self.reader.at()
    }

    pub(super) fn fail<T>(&self, problem: Problem) -> Result<T, ProofError> {
        Err(ProofError { at: self.reader.at(), part: self.part, problem })
    }

    fn have<T>(&self, read: Option<T>) -> Result<T, ProofError> {
        read.map_or_else(|| self.fail(Problem::CutShort), Ok)
    }

    pub(super) fn u8(&mut self) -> Result<u8, ProofError> {
        let read = self.reader.u8();
        self.have(read)
    }

    /// A number that announces nothing.
    pub(super) fn number(&mut self) -> Result<usize, ProofError> {
        let read = self.reader.u32();
        let number = self.have(read)?;
        usize::try_from(number).or_else(|_| self.fail(Problem::CutShort))
    }

    /// A count of elements that take at least `bytes_each`, which is not 0.
    pub(super) fn count(&mut self, bytes_each: usize) -> Result<usize, ProofError> {
        let count = self.number()?;
        self.fits(count, bytes_each)
    }

    /// Refuses a count whose elements cannot all be there.
    pub(super) fn fits(&self, count: usize, bytes_each: usize) -> Result<usize, ProofError> {
        let left = self.reader.rest().len();
        match count.checked_mul(bytes_each.max(1)) {
            Some(bytes) if bytes <= left => Ok(count),
            _ => self.fail(Problem::Count { count, left }),
        }
    }

    pub(super) fn element(&mut self) -> Result<F, ProofError> {
        let read = self.reader.clone().u32();
        let number = self.have(read)?;
        if number >= F::ORDER_U32 {
            return self.fail(Problem::NotInField(number));
        }
        self.reader.u32();
        Ok(F::from_u32(number))
    }

    pub(super) fn extension(&mut self) -> Result<EF, ProofError> {
        let coefficients = self.array::<D_EF>()?;
        let read = EF::from_basis_coefficients_slice(&coefficients);
        self.have(read)
    }

    pub(super) fn commit(&mut self) -> Result<Commit, ProofError> {
        self.array()
    }

    /// As many base field elements as the count before them says.
    pub(super) fn elements(&mut self) -> Result<Vec<F>, ProofError> {
        let count = self.count(F_BYTES)?;
        self.repeat(count, F_BYTES, Self::element)
    }

    /// As many extension field elements as the count before them says.
    pub(super) fn extensions(&mut self) -> Result<Vec<EF>, ProofError> {
        let count = self.count(EF_BYTES)?;
        self.repeat(count, EF_BYTES, Self::extension)
    }

    /// As many commitments as the count before them says.
    pub(super) fn commits(&mut self) -> Result<Vec<Commit>, ProofError> {
        let count = self.count(COMMIT_BYTES)?;
        self.repeat(count, COMMIT_BYTES, Self::commit)
    }

    /// Reads `count` times something that takes at least `bytes_each`; allocates only once it can all be there.
    pub(super) fn repeat<T>(
        &mut self,
        count: usize,
        bytes_each: usize,
        mut read: impl FnMut(&mut Self) -> Result<T, ProofError>,
    ) -> Result<Vec<T>, ProofError> {
        self.fits(count, bytes_each)?;
        let mut all = Vec::with_capacity(count);
        for _ in 0..count {
            all.push(read(self)?);
        }
        Ok(all)
    }

    pub(super) fn extension_array<const N: usize>(&mut self) -> Result<[EF; N], ProofError> {
        let mut all = [EF::ZERO; N];
        for one in &mut all {
            *one = self.extension()?;
        }
        Ok(all)
    }

    pub(super) fn flag_set(&mut self) -> Result<(), ProofError> {
        match self.u8()? {
            1 => Ok(()),
            got => self.fail(Problem::Value { got: got.into(), expected: 1 }),
        }
    }

    pub(super) fn finish(&self) -> Result<(), ProofError> {
        match self.reader.rest() {
            [] => Ok(()),
            left => self.fail(Problem::TooLong(left.len())),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[F; N], ProofError> {
        let mut all = [F::ZERO; N];
        for one in &mut all {
            *one = self.element()?;
        }
        Ok(all)
    }
}
