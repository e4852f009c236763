package org.skinedge.core

/**
 * A score against the threshold that the model file carries for it.
 *
 * @property target a label's code, or [MALIGNANT]
 * @property score the probability compared, 0 to 1
 * @property threshold the smallest score called positive, 0 to 1
 * @property sensitivity the sensitivity the threshold was set for on the validation split, 0 to 1
 */
data class Decision(
    val target: String,
    val score: Float,
    val threshold: Double,
    val sensitivity: Double,
    val positive: Boolean,
)

/**
 * A threshold is a score that some image had: in float32 the same score may come out a little below.
 * The steps of a quantized model are a thousand times wider.
 */
private const val ROUNDING = 1e-6

/** The summed probability of the malignant classes, 0 to 1. */
fun ModelFile.malignantProbability(probabilities: FloatArray): Float {
    var sum = 0f
    for (i in labels.indices) if (labels[i].malignant) sum += probabilities[i]
    return sum
}

/**
 * One decision for each threshold in the model file.
 *
 * @param probabilities in label order
 */
fun ModelFile.decide(probabilities: FloatArray): List<Decision> =
    thresholds.map { rule ->
        val score = when (rule.target) {
            MALIGNANT -> malignantProbability(probabilities)
            else -> probabilities[labels.indexOfFirst { it.code == rule.target }]
        }
        Decision(rule.target, score, rule.threshold, rule.sensitivity, score >= rule.threshold - ROUNDING)
    }

/**
 * The most probable classes, most probable first; of equal ones, the first label first.
 *
 * @param k how many, at most the number of classes
 * @param into takes their indices, from index 0 on
 */
fun topK(probabilities: FloatArray, k: Int, into: IntArray) {
    for (rank in 0 until k) {
        var best = -1
        for (i in probabilities.indices) {
            if (!into.holds(i, rank) && (best < 0 || probabilities[i] > probabilities[best])) best = i
        }
        into[rank] = best
    }
}

private fun IntArray.holds(value: Int, count: Int): Boolean {
    for (i in 0 until count) if (this[i] == value) return true
    return false
}
