"""N-body galaxy mergers: initial conditions, tree gravity, cameras (paper, section II.A).

Units everywhere: kpc, Myr for times a user sees, km/s, solar masses.
"""

G_KPC_KMS2_PER_MSUN = 4.30091e-6
"""Newton's constant, kpc (km/s)^2 / solar mass (IAU 2015 nominal GM_sun, CODATA 2018)."""

MYR_PER_TIME_UNIT = 977.792
"""One kpc/(km/s), the integrator's time unit, in Myr."""
