package org.skinedge.core

import kotlin.math.exp
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test

class AveragingTest {
    private val averaging = Averaging(2, 1, timeConstantMillis = 500.0)

    private fun add(probability: Float, millis: Long, cell: Float = 1f): Float {
        val answer = Answer(2, 1)
        answer.probabilities[0] = probability
        answer.probabilities[1] = 1 - probability
        answer.attention[0] = cell
        answer.inferenceNanos = millis
        averaging.add(answer, millis * 1_000_000)
        assertEquals(1f, averaging.mean.probabilities.sum(), 1e-6f)
        return averaging.mean.probabilities[0]
    }

    @Test
    fun `the first answer is the mean`() {
        assertEquals(0.9f, add(0.9f, millis = 7_000_000, cell = 0.5f), 0f)
        assertEquals(0.5f, averaging.mean.attention[0], 0f)
        assertEquals(7_000_000L, averaging.mean.inferenceNanos)
    }

    @Test
    fun `after one time constant an answer weighs a third of what follows`() {
        add(1f, 0)
        assertEquals(exp(-1f), add(0f, 500), 1e-6f)
        assertEquals(exp(-1.2f), add(0f, 600), 1e-6f)
    }

    @Test
    fun `the map is averaged too`() {
        add(1f, 0, cell = 1f)
        add(1f, 500, cell = 0f)
        assertEquals(exp(-1f), averaging.mean.attention[0], 1e-6f)
    }

    @Test
    fun `the frame rate does not matter`() {
        add(1f, 0)
        for (millis in 10L..500L step 10) add(0f, millis)
        val often = averaging.mean.probabilities[0]
        averaging.reset()
        add(1f, 0)
        assertEquals(often, add(0f, 500), 1e-5f)
    }

    @Test
    fun `one odd frame does not turn the label`() {
        for (millis in 0L..900L step 33) add(0.9f, millis)
        assertTrue(add(0.1f, 933) > 0.8f)
    }

    @Test
    fun `a second answer of the same moment counts nothing`() {
        add(1f, 100)
        assertEquals(1f, add(0f, 100), 0f)
    }

    @Test
    fun `where time runs backwards the mean starts anew`() {
        add(1f, 5_000)
        assertEquals(0f, add(0f, 4_990), 0f)
        assertEquals(1 - exp(-0.02f), add(1f, 5_000), 1e-5f)
    }

    @Test
    fun `after a long gap the mean starts anew`() {
        add(1f, 0)
        assertEquals(exp(-3f), add(0f, 1_500), 1e-6f)
        add(1f, 1_500)
        assertEquals(0.25f, add(0.25f, 3_001), 0f)
    }

    @Test
    fun `reset forgets`() {
        add(1f, 0)
        averaging.reset()
        assertEquals(0f, add(0f, 10), 0f)
    }

    @Test
    fun `clocks may begin anywhere`() {
        averaging.add(Answer(2, 1), Long.MIN_VALUE)
        assertEquals(1f, add(1f, 0), 0f)
    }

    @Test
    fun `a time constant of nothing is refused`() {
        assertThrows(IllegalArgumentException::class.java) { Averaging(2, 1, 0.0) }
    }
}
