//! Buffers filled in parallel, chunk by chunk, with no pass that zeroes them first. The one place with unsafe code.

use std::mem::MaybeUninit;

use rayon::prelude::*;

/// A chunk of a buffer that is being filled from its front.
pub struct Chunk<'a, T> {
    slots: &'a mut [MaybeUninit<T>],
    filled: usize,
}

impl<T: Copy> Chunk<'_, T> {
    #[inline(always)]
    pub fn push(&mut self, value: T) {
        self.slots[self.filled].write(value);
        self.filled += 1;
    }
}

/// Refills `buffer` with `chunks` chunks of `len` values each; what `fill` returns for every chunk, summed up by `join`.
///
/// # Panics
/// When `fill` leaves part of its chunk empty.
pub fn refill<T: Copy + Send, R: Send>(
    buffer: &mut Vec<T>,
    chunks: usize,
    len: usize,
    fill: impl Fn(usize, &mut Chunk<'_, T>) -> R + Sync,
    join: impl Fn(R, R) -> R + Sync + Send,
) -> Option<R> {
    let total = chunks * len;
    buffer.clear();
    if buffer.capacity() < total {
        *buffer = Vec::with_capacity(total);
    }
    let slots = &mut buffer.spare_capacity_mut()[..total];
    let joined = slots.par_chunks_exact_mut(len).enumerate().map(|(i, slots)| {
        let mut chunk = Chunk { slots, filled: 0 };
        let returned = fill(i, &mut chunk);
        assert_eq!(chunk.filled, len, "chunk {i} is to be filled");
        returned
    });
    let joined = joined.reduce_with(join);
    // SAFETY: the chunks cover all `total` slots, and each was asserted to be filled; a panic above does not get here.
    unsafe { buffer.set_len(total) };
    joined
}

/// A new buffer, filled as by [`refill`].
pub fn filled<T: Copy + Send>(chunks: usize, len: usize, fill: impl Fn(usize, &mut Chunk<'_, T>) + Sync) -> Vec<T> {
    let mut buffer = Vec::new();
    refill(&mut buffer, chunks, len, fill, |(), ()| ());
    buffer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_lie_in_order_and_their_results_are_joined() {
        let mut buffer = vec![7usize; 100];
        let sum = refill(&mut buffer, 5, 3, |i, chunk| (0..3).for_each(|k| chunk.push(3 * i + k)), |(), ()| ());
        assert!(sum.is_some());
        assert_eq!(buffer, (0..15).collect::<Vec<_>>());
        assert_eq!(refill(&mut buffer, 0, 3, |_, _| 1, |a, b| a + b), None);
        assert!(buffer.is_empty());
    }

    #[test]
    #[should_panic(expected = "is to be filled")]
    fn a_chunk_left_empty_is_never_read() {
        filled::<u64>(2, 2, |_, chunk| chunk.push(1));
    }
}
