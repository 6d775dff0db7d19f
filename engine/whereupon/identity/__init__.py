"""Identity: the person an anonymous message belongs to, as an algebra over claims.

The package computes; it loads nothing and writes nothing. `decide` applies its answers, `insight` shows them.

For others: `algebra` (`IdentityPolicy`, `claimant` and what becomes of runs of claims).
"""
