//! Least squares with coefficients that are not negative, each measurement weighted by its size.
//!
//! In: rows of features and what was measured. Out: a coefficient for each feature, and how far off they are. What is
//! asked of the models is a deviation in percent, so that is what is made small. Pure.

/// One measurement.
#[derive(Clone, Debug)]
pub struct Row {
    /// The features, in the order of the coefficients.
    pub features: Vec<f64>,
    /// What was measured; above 0.
    pub value: f64,
}

/// The coefficients and how good they are.
#[derive(Clone, PartialEq, Debug)]
pub struct Fit {
    /// One for each feature; 0 if the feature does not help.
    pub coefficients: Vec<f64>,
    /// The part of the variance that the fit explains; 1 is all.
    pub r2: f64,
    /// The largest deviation of a prediction, as a part of the measurement.
    pub worst: f64,
}

/// Pivots below this, of columns scaled to length 1, mean that features cannot be told apart.
const PIVOT_MIN: f64 = 1e-9;
/// A coefficient more must make the squares smaller by this part, or it is left out.
const GAIN_MIN: f64 = 1e-6;
/// Sum of squared deviations, as parts, below which a fit is exact.
const EXACT: f64 = 1e-18;
/// All choices of features are tried.
const FEATURES_MAX: usize = 8;

/// The fit with the least squared deviation; none without measurements or if one is not above 0.
pub fn fit(rows: &[Row]) -> Option<Fit> {
    let features = rows.first()?.features.len();
    let usable = |row: &Row| row.value > 0.0 && row.value.is_finite() && row.features.len() == features;
    if features > FEATURES_MAX || !rows.iter().all(usable) {
        return None;
    }
    // With so few features trying every set of them is the simplest way to the constrained optimum, and exact.
    let mut sets: Vec<u32> = (1..1_u32 << features).collect();
    sets.sort_by_key(|set| set.count_ones());
    let mut best: Option<(f64, Vec<f64>)> = None;
    for set in sets {
        let chosen: Vec<usize> = (0..features).filter(|feature| set & 1 << feature != 0).collect();
        let Some(solution) = solve(rows, &chosen).filter(|solution| solution.iter().all(|value| *value >= 0.0)) else {
            continue;
        };
        let mut coefficients = vec![0.0; features];
        chosen.iter().zip(solution).for_each(|(feature, value)| coefficients[*feature] = value);
        let squares: f64 = rows.iter().map(|row| deviation(&coefficients, row).powi(2)).sum();
        let is_better = |(least, _): &(f64, _)| *least > EXACT && squares < least * (1.0 - GAIN_MIN);
        if best.as_ref().is_none_or(is_better) {
            best = Some((squares, coefficients));
        }
    }
    let (_, coefficients) = best?;
    let worst = rows.iter().map(|row| deviation(&coefficients, row).abs()).fold(0.0, f64::max);
    Some(Fit { r2: r2(&coefficients, rows), worst, coefficients })
}

/// What the coefficients say about these features.
pub fn predict(coefficients: &[f64], features: &[f64]) -> f64 {
    coefficients.iter().zip(features).map(|(coefficient, feature)| coefficient * feature).sum()
}

/// How far a prediction is from the measurement, as a part of the measurement.
pub fn deviation(coefficients: &[f64], row: &Row) -> f64 {
    predict(coefficients, &row.features) / row.value - 1.0
}

fn r2(coefficients: &[f64], rows: &[Row]) -> f64 {
    let mean = rows.iter().map(|row| row.value).sum::<f64>() / rows.len() as f64;
    let total: f64 = rows.iter().map(|row| (row.value - mean).powi(2)).sum();
    let left: f64 = rows.iter().map(|row| (row.value - predict(coefficients, &row.features)).powi(2)).sum();
    // Nothing varies, so there is nothing to explain.
    if total > 0.0 { 1.0 - left / total } else { 1.0 }
}

/// Unconstrained weighted least squares in the chosen features, by the normal equations. None if they cannot be told
/// apart by these rows.
fn solve(rows: &[Row], chosen: &[usize]) -> Option<Vec<f64>> {
    let weighted = |row: &Row, feature: usize| row.features[feature] / row.value;
    let lengths: Vec<f64> = chosen
        .iter()
        .map(|feature| rows.iter().map(|row| weighted(row, *feature).powi(2)).sum::<f64>().sqrt())
        .collect();
    if lengths.contains(&0.0) {
        return None;
    }
    let column = |row: &Row, at: usize| weighted(row, chosen[at]) / lengths[at];
    let size = chosen.len();
    let mut matrix: Vec<Vec<f64>> = (0..size)
        .map(|i| {
            let entry = |j: usize| rows.iter().map(|row| column(row, i) * column(row, j)).sum();
            (0..size).map(entry).chain([rows.iter().map(|row| column(row, i)).sum()]).collect()
        })
        .collect();
    for at in 0..size {
        let pivot = (at..size).max_by(|a, b| matrix[*a][at].abs().total_cmp(&matrix[*b][at].abs()))?;
        matrix.swap(at, pivot);
        if matrix[at][at].abs() < PIVOT_MIN {
            return None;
        }
        let pivot_row = matrix[at].clone();
        for (_, row) in matrix.iter_mut().enumerate().filter(|(index, _)| *index != at) {
            let factor = row[at] / pivot_row[at];
            row.iter_mut().zip(&pivot_row).for_each(|(value, pivot)| *value -= factor * pivot);
        }
    }
    Some((0..size).map(|at| matrix[at][size] / matrix[at][at] / lengths[at]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(table: &[(&[f64], f64)]) -> Vec<Row> {
        table.iter().map(|(features, value)| Row { features: features.to_vec(), value: *value }).collect()
    }

    fn near(a: &[f64], b: &[f64]) {
        assert_eq!(a.len(), b.len());
        assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-6 * b.abs().max(1e-3)), "{a:?} is not {b:?}");
    }

    #[test]
    fn exact_data_gives_the_coefficients_it_was_made_from() {
        // 1.5e9 + 40 for each main cell + 25 for each interaction cell, at realistic sizes.
        let sizes = [(3e7, 2e7), (1e8, 4e7), (2.2e8, 1.9e8), (4e8, 1.1e8)];
        let rows: Vec<Row> = sizes
            .iter()
            .map(|(main, inter)| Row { features: vec![1.0, *main, *inter], value: 1.5e9 + 40.0 * main + 25.0 * inter })
            .collect();
        let fit = fit(&rows).unwrap();
        near(&fit.coefficients, &[1.5e9, 40.0, 25.0]);
        assert!(fit.worst < 1e-6 && fit.r2 > 0.999_999);
    }

    #[test]
    fn runs_of_several_tasks_fit_by_their_sums() {
        // A run's features are sums over its segments, the number of segments standing for the constant; the last
        // feature is what happens once in a run.
        let run = |segments: f64, cells: f64| Row {
            features: vec![segments, cells, 1.0],
            value: 5.0 * segments + 2.0 * cells + 7.0,
        };
        let fit = fit(&[run(1.0, 10.0), run(1.0, 40.0), run(6.0, 30.0), run(3.0, 90.0)]).unwrap();
        near(&fit.coefficients, &[5.0, 2.0, 7.0]);
    }

    #[test]
    fn a_coefficient_that_would_be_negative_is_left_out() {
        let fit = fit(&rows(&[(&[1.0, 1.0], 9.0), (&[1.0, 2.0], 8.0), (&[1.0, 3.0], 7.0)])).unwrap();
        assert_eq!(fit.coefficients[1], 0.0);
        assert!((7.0..9.0).contains(&fit.coefficients[0]));
    }

    #[test]
    fn features_that_cannot_be_told_apart_share_one_coefficient() {
        // Always the first of its process: what that costs stays in the constant.
        let fit = fit(&rows(&[(&[1.0, 1.0, 1.0], 7.0), (&[1.0, 2.0, 1.0], 9.0)])).unwrap();
        near(&fit.coefficients, &[5.0, 2.0, 0.0]);
    }

    #[test]
    fn the_deviation_in_percent_is_what_is_made_small() {
        let fit = fit(&rows(&[(&[1.0], 1.0), (&[1.0], 100.0)])).unwrap();
        // Unweighted least squares would say 50.5 and be off by 4,950 % for the small one.
        assert!(fit.coefficients[0] < 2.0, "{fit:?}");
    }

    #[test]
    fn nothing_measured_gives_no_fit() {
        assert_eq!(fit(&[]), None);
        assert_eq!(fit(&rows(&[(&[1.0], 0.0)])), None);
        assert_eq!(fit(&rows(&[(&[0.0], 1.0)])), None);
    }
}
