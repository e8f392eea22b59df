const HALF_LOG_TWO_PI = 0.5 * Math.log(2 * Math.PI);
/**
 * Argument u below which the log expected improvement is computed by its asymptote; above it, cancellation
 * leaves at least four digits.
 */
const ASYMPTOTE = -25;

/**
 * Logarithm of the complementary error function for z >= 0: the Chebyshev fit of Press et al., "Numerical
 * Recipes", section 6.2, whose relative error is below 1.2e-7 everywhere.
 */
function logErfc(z: number): number {
  const t = 1 / (1 + 0.5 * z);
  const series =
    1.00002368 +
    t *
      (0.37409196 +
        t *
          (0.09678418 +
            t *
              (-0.18628806 +
                t *
                  (0.27886807 + t * (-1.13520398 + t * (1.48851587 + t * (-0.82215223 + t * 0.17087277)))))));
  return Math.log(t) - z * z - 1.26551223 + t * series;
}

/** Logarithm of the standard normal distribution function. */
export function logNormalCdf(x: number): number {
  const tail = logErfc(Math.abs(x) * Math.SQRT1_2) - Math.LN2;
  return x <= 0 ? tail : Math.log1p(-Math.exp(tail));
}

/** The x at which the standard normal distribution function equals `p`; 0 < p < 1. */
export function normalQuantile(p: number): number {
  const target = Math.log(p);
  // Outside this interval the distribution function is 0 or 1 in double precision.
  let [low, high] = [-38, 9];
  for (let halving = 0; halving < 60; halving++) {
    const middle = (low + high) / 2;
    if (logNormalCdf(middle) < target) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/**
 * Logarithm of E[max(0, u + Z)] for a standard normal Z, which is log(phi(u) + u Phi(u)). It stays finite
 * where the expected improvement underflows (Ament et al., "Unexpected improvements to expected improvement",
 * 2023).
 */
export function logExpectedImprovement(u: number): number {
  const logDensity = -0.5 * u * u - HALF_LOG_TWO_PI;
  if (u < ASYMPTOTE) return logDensity - 2 * Math.log(-u);
  const ratio = u * Math.exp(logNormalCdf(u) - logDensity);
  return logDensity + Math.log1p(ratio);
}
