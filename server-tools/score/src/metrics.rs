//! What is measured of a delta: the one table of inputs.
//!
//! Each metric is one integer. Its direction says which way is riskier, and every weights document has to follow it: that
//! is what makes the score monotone.

use std::fmt;

/// A group of metrics that may add so much to the risk and no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dimension {
    /// How much of the target is new, and how dense that is.
    DeltaEntropy,
    /// How many functions changed, and how much depends on them.
    FunctionChangeImpact,
    /// Dependencies that came in or are not what they were.
    NewDepsCount,
    /// Whether it is told, and proven, how the target was built.
    ProvenanceCompleteness,
    /// Whether those who must have signed and witnessed did, and how long ago.
    SignedAttestationValidity,
}

impl Dimension {
    /// All of them, in the order of their names.
    pub const ALL: [Self; 5] = [
        Self::DeltaEntropy,
        Self::FunctionChangeImpact,
        Self::NewDepsCount,
        Self::ProvenanceCompleteness,
        Self::SignedAttestationValidity,
    ];

    /// Its name in documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::DeltaEntropy => "delta_entropy",
            Self::FunctionChangeImpact => "function_change_impact",
            Self::NewDepsCount => "new_deps_count",
            Self::ProvenanceCompleteness => "provenance_completeness",
            Self::SignedAttestationValidity => "signed_attestation_validity",
        }
    }

    /// Its metrics, in the order of their names.
    pub fn metrics(self) -> impl Iterator<Item = Metric> {
        Metric::ALL.into_iter().filter(move |metric| metric.dimension() == self)
    }
}

/// Which way a metric is riskier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// More is riskier.
    Rising,
    /// Less is riskier.
    Falling,
}

/// One row, at the place of its metric: dimension, name, direction, the safest value, what lowers it.
struct Row(Dimension, &'static str, Direction, u64, &'static str);

macro_rules! metrics {
    ($($(#[$doc:meta])* $metric:ident: $dimension:ident, $name:literal, $direction:ident, $best:literal, $advice:literal;)*) => {
        /// One integer that was measured of a delta.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Metric {
            $($(#[$doc])* $metric,)*
        }

        impl Metric {
            /// All of them, by the names of their dimensions, then by their own.
            pub const ALL: [Self; METRICS] = [$(Self::$metric,)*];
        }

        const METRICS: usize = [$($name,)*].len();

        const TABLE: [Row; METRICS] =
            [$(Row(Dimension::$dimension, $name, Direction::$direction, $best, $advice),)*];
    };
}

metrics! {
    /// Order-0 entropy of the new bytes, in thousandths of a bit for each byte: 0 to 8,000.
    AddedMillibits: DeltaEntropy, "added_millibits_per_byte", Rising, 0,
        "make the new bytes plain: pack or encrypt nothing in the image";
    /// Part of the target's bytes that the base does not have, in basis points: 0 to 10,000.
    AddedShare: DeltaEntropy, "added_share_bp", Rising, 0,
        "make a smaller update: build reproducibly, or from the release that devices run";
    /// Functions that are modified, added or removed, of all functions, in basis points: 0 to 10,000.
    ChangedShare: FunctionChangeImpact, "changed_share_bp", Rising, 0,
        "change fewer functions in one update, with the same compiler and options";
    /// The most functions that refer to one changed function.
    FanInMax: FunctionChangeImpact, "fan_in_max", Rising, 0,
        "leave the functions alone that most others use";
    /// Names that changed functions import now and did not before.
    ImportsGained: FunctionChangeImpact, "imports_gained", Rising, 0,
        "use no imports that the base did not use";
    /// Changed functions that are reached from where services start.
    ReachableChanged: FunctionChangeImpact, "reachable_changed", Rising, 0,
        "change only functions that no service reaches, and give the call graph that shows it";
    /// Dependencies that the base does not have.
    DepsAdded: NewDepsCount, "added", Rising, 0, "add no dependencies";
    /// Dependencies with a lower version than in the base.
    DepsDowngraded: NewDepsCount, "downgraded", Rising, 0, "keep every dependency at its version or above";
    /// Dependencies with the version that the base has, and other bytes.
    DepsRebuilt: NewDepsCount, "rebuilt", Rising, 0, "take dependencies of the same version from the same build";
    /// The signed envelope: 0 missing, 1 there but not verified, 2 verified.
    Envelope: ProvenanceCompleteness, "envelope", Falling, 2, "sign the delta, and verify it with the trust root";
    /// The proof that the envelope is in the log: 0 missing, 1 there but not verified, 2 verified.
    InclusionProof: ProvenanceCompleteness, "inclusion_proof", Falling, 2, "embed the inclusion proof of the log";
    /// The SLSA build level of the provenance that came with the target: 0 to 3.
    SlsaBuildLevel: ProvenanceCompleteness, "slsa_build_level", Falling, 3,
        "attach SLSA provenance of build level 3";
    /// Days since the newest time that witnesses proved.
    AgeDays: SignedAttestationValidity, "age_days", Rising, 0, "let the witnesses cosign again";
    /// Valid signatures that the threshold asks for and that are not there.
    SignaturesMissing: SignedAttestationValidity, "signatures_missing", Rising, 0,
        "let as many keys sign as the trust root asks for";
    /// Valid cosignatures that the quorum asks for and that are not there.
    WitnessesMissing: SignedAttestationValidity, "witnesses_missing", Rising, 0,
        "let as many witnesses cosign as the trust root asks for";
}

impl Metric {
    fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    /// Where it counts.
    pub fn dimension(self) -> Dimension {
        self.row().0
    }

    /// Its name in documents, within its dimension.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// Which way is riskier.
    pub fn direction(self) -> Direction {
        self.row().2
    }

    /// The safest value.
    pub fn best(self) -> u64 {
        self.row().3
    }

    /// What would make it the safest value, as an order to whoever makes the delta.
    pub fn advice(self) -> &'static str {
        self.row().4
    }

    /// The metric of a dimension and a name.
    pub fn find(dimension: &str, name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.dimension().name() == dimension && metric.name() == name)
    }
}

impl fmt::Display for Metric {
    /// `dimension.name`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.dimension().name(), self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows stand at the place of their metric, in the order of their names, and every name finds its metric.
    #[test]
    fn the_table_is_sorted() {
        for (at, metric) in Metric::ALL.into_iter().enumerate() {
            assert_eq!(metric as usize, at);
            assert_eq!(Metric::find(metric.dimension().name(), metric.name()), Some(metric));
        }
        assert!(Metric::ALL.windows(2).all(|two| two[0].to_string() < two[1].to_string()));
        assert!(Dimension::ALL.windows(2).all(|two| two[0].name() < two[1].name() && two[0] < two[1]));
        assert_eq!(Dimension::ALL.into_iter().flat_map(Dimension::metrics).collect::<Vec<_>>(), Metric::ALL);
        assert_eq!(Metric::find("delta_entropy", "added"), None);
    }
}
