package org.skinedge.core

import kotlin.math.exp

/**
 * Exponential mean of answers over time: the label does not flicker from frame to frame.
 *
 * An answer's weight falls by e every time constant, however many frames came since. The mean starts
 * anew with the first answer, after a gap of more than [GAP] time constants (whatever the camera sees
 * then is another scene), and where time runs backwards (another clock). A second answer of the same
 * moment counts nothing.
 */
class Averaging(classes: Int, mapCells: Int, timeConstantMillis: Double = 500.0) {
    private val timeConstant = 1e6 * timeConstantMillis
    private var empty = true
    private var last = 0L

    /** The mean so far; its map may have a maximum below 1, its time is the last answer's. */
    val mean = Answer(classes, mapCells)

    init {
        require(timeConstantMillis > 0) { "time constant of $timeConstantMillis ms; it must be above 0" }
    }

    /** @param timeNanos when the image was taken, on any clock that runs forwards */
    fun add(answer: Answer, timeNanos: Long) {
        val passed = (timeNanos - last) / timeConstant
        val anew = empty || passed < 0 || passed > GAP
        val weight = if (anew) 1f else (1 - exp(-passed)).toFloat()
        approach(mean.probabilities, answer.probabilities, weight)
        approach(mean.attention, answer.attention, weight)
        mean.inferenceNanos = answer.inferenceNanos
        empty = false
        last = timeNanos
    }

    /** Forgets everything: the next answer is the mean. */
    fun reset() {
        empty = true
    }

    private fun approach(mean: FloatArray, value: FloatArray, weight: Float) {
        for (i in mean.indices) mean[i] = (1 - weight) * mean[i] + weight * value[i]
    }

    private companion object {
        const val GAP = 3
    }
}
