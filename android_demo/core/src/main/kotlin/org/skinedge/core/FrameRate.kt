package org.skinedge.core

/** Frames per second over the last two seconds, at most [CAPACITY] frames. */
class FrameRate {
    private val times = LongArray(CAPACITY)
    private var oldest = 0
    private var count = 0

    /**
     * Counts one frame.
     *
     * @param timeNanos of any steady clock.
     * @return frames per second, 0 for the first frame.
     */
    fun add(timeNanos: Long): Double {
        if (count == CAPACITY) dropOldest()
        times[(oldest + count) % CAPACITY] = timeNanos
        count++
        while (count > 2 && timeNanos - times[oldest] > WINDOW_NANOS) dropOldest()
        val elapsed = timeNanos - times[oldest]
        return if (elapsed > 0) (count - 1) * 1e9 / elapsed else 0.0
    }

    fun reset() {
        count = 0
    }

    private fun dropOldest() {
        oldest = (oldest + 1) % CAPACITY
        count--
    }

    private companion object {
        const val CAPACITY = 128
        const val WINDOW_NANOS = 2_000_000_000L
    }
}
