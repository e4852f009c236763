package org.skinedge.core

import com.sun.management.ThreadMXBean
import java.lang.management.ManagementFactory
import org.junit.Assert.assertEquals
import org.junit.Test

/** What is done with every frame's answer leaves no work to the garbage collector. */
class SteadyStateTest {
    private val thread = ManagementFactory.getThreadMXBean() as ThreadMXBean

    /** The least of some measurements: the compiler makes garbage of its own now and then. */
    private fun allocated(work: () -> Unit): Long =
        (1..20).minOf {
            val before = thread.currentThreadAllocatedBytes
            repeat(1_000) { work() }
            thread.currentThreadAllocatedBytes - before
        }

    @Test
    fun `averaging, ranking and colouring allocate nothing`() {
        val answer = Answer(7, 36)
        val averaging = Averaging(7, 36)
        val heatmap = Heatmap()
        val order = IntArray(3)
        val colours = IntArray(36)
        var time = 0L
        val bytes = allocated {
            for (i in 0..6) answer.probabilities[i] = i + 1f
            for (i in 0..35) answer.attention[i] = i + 1f
            answer.normalise()
            time += 33_000_000
            averaging.add(answer, time)
            topK(averaging.mean.probabilities, 3, order)
            heatmap.colours(averaging.mean.attention, 0.5f, colours)
        }
        assertEquals(0L, bytes)
    }
}
