package org.skinedge.core

import kotlin.math.max

/**
 * What a model says of one image; filled again and again, so that a frame costs no allocation.
 *
 * @param classes how many the model tells apart
 * @param mapCells of the attention map; 0 without one
 */
class Answer(classes: Int, mapCells: Int) {
    /** In label order, 0 to 1, with sum 1. */
    val probabilities = FloatArray(classes)

    /** The map's rows one after another, 0 to 1 with maximum 1; empty without a map. */
    val attention = FloatArray(mapCells)

    /** What the network took, with reading its outputs. */
    var inferenceNanos = 0L

    /**
     * Turns what the heads of the network say into what this class promises, as the Python library
     * does: quantized probabilities can miss a sum of 1 by a little.
     */
    fun normalise() {
        var sum = 0.0
        for (p in probabilities) sum += p
        for (i in probabilities.indices) probabilities[i] = (probabilities[i] / max(sum, TINY)).toFloat()
        var most = TINY.toFloat()
        for (a in attention) most = max(most, a)
        for (i in attention.indices) attention[i] /= most
    }

    private companion object {
        /** Keeps an output of nothing but zeros from becoming NaN. */
        const val TINY = 1e-12
    }
}
