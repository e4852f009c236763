package org.skinedge.core

import org.junit.Assert.assertEquals
import org.junit.Test

class FrameRateTest {
    private val rate = FrameRate()

    private fun add(millis: Long) = rate.add(millis * 1_000_000)

    @Test
    fun `one frame is no rate`() {
        assertEquals(0.0, add(5), 0.0)
        assertEquals(0.0, add(5), 0.0)
    }

    @Test
    fun `frames are counted over the last two seconds`() {
        for (frame in 0L..20) add(100 * frame)
        assertEquals(10.0, add(2100), 1e-9)
        // From here on one a second: those of two seconds ago are forgotten.
        add(3100)
        assertEquals(1.0, add(4100), 0.5)
        assertEquals(1.0, add(5100), 1e-9)
    }

    @Test
    fun `after a pause the rate is of the frames since`() {
        add(0)
        add(10)
        assertEquals(1 / 59.99, add(60_000), 1e-6)
        assertEquals(100.0, add(60_010), 50.0)
    }

    @Test
    fun `a fast camera overwrites the oldest frames`() {
        var shown = 0.0
        for (frame in 0L..999) shown = add(frame)
        assertEquals(1000.0, shown, 1e-9)
    }

    @Test
    fun `a reset forgets`() {
        add(0)
        rate.reset()
        assertEquals(0.0, add(1000), 0.0)
    }
}
