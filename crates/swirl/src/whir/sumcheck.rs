//! The sumcheck over `Σ_x f(x) w(x)`, both multilinear.

use p3_field::PrimeCharacteristicRing;
use rayon::prelude::*;

use crate::packing::EF;

/// Pairs of points that one parallel task takes.
const PAIRS: usize = 1 << 11;

pub struct Sumcheck {
    pub f: Vec<EF>,
    pub w: Vec<EF>,
}

impl Sumcheck {
    /// The round polynomial at `X = 1, 2`.
    pub fn round_values(&self) -> [EF; 2] {
        let chunks = self.f.par_chunks(2 * PAIRS).zip(self.w.par_chunks(2 * PAIRS));
        let sums = chunks.map(|(f, w)| {
            let mut sums = [EF::ZERO; 2];
            for (f, w) in f.as_chunks::<2>().0.iter().zip(w.as_chunks::<2>().0) {
                sums[0] += f[1] * w[1];
                sums[1] += (f[1].double() - f[0]) * (w[1].double() - w[0]);
            }
            sums
        });
        sums.reduce(|| [EF::ZERO; 2], |a, b| [a[0] + b[0], a[1] + b[1]])
    }

    pub fn fold(&mut self, alpha: EF) {
        for values in [&mut self.f, &mut self.w] {
            let pairs = values.as_chunks::<2>().0;
            let folded = pairs.par_iter().with_min_len(PAIRS).map(|[low, high]| *low + (*high - *low) * alpha);
            *values = folded.collect();
        }
    }
}
