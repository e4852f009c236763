package org.skinedge.core

import com.sun.management.ThreadMXBean
import java.lang.management.ManagementFactory
import java.nio.ByteBuffer
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Assume.assumeTrue
import org.junit.Test

/** Frames of one size are read without a byte of new memory, so that no collection stops the preview. */
class FrameAllocationTest {
    private val threads = ManagementFactory.getThreadMXBean()
    private val input = ByteBuffer.allocateDirect(192 * 192 * 3)

    @Test
    fun noMemoryIsAllocatedPerFrame() {
        for (size in listOf(1280 to 720, 768 to 768, 160 to 120)) {
            for (layout in listOf("planar", "nv21")) {
                val frame = Scene.frame(0, 0, size.first, size.second, layout, direct = true)
                val reader = FrameReader(192, 192)
                assertEquals("$size $layout", 0L, steadilyAllocated { readAllRotations(reader, frame, 25) })
            }
        }
    }

    @Test
    fun theMeterSeesAReaderThatAllocates() {
        val frame = Scene.frame(0, 0, 160, 120, "nv21", direct = true)
        assertTrue(steadilyAllocated { readAllRotations(FrameReader(192, 192), frame, 1) } > 192 * 192 * 3)
    }

    private fun readAllRotations(reader: FrameReader, frame: YuvFrame, frames: Int) {
        for (i in 0 until frames) {
            for (turn in 0 until 4) reader.read(frame, 90 * turn, input)
        }
    }

    /**
     * The fewest bytes that a call allocates, of several after one to warm up. HotSpot takes a hundred
     * bytes or so of its own, once, when it replaces code that runs; a reader that allocates does so in
     * every call.
     */
    private inline fun steadilyAllocated(work: () -> Unit): Long {
        assumeTrue("this JVM does not count allocated bytes", threads is ThreadMXBean)
        val meter = threads as ThreadMXBean
        val thread = Thread.currentThread().id
        work()
        var fewest = Long.MAX_VALUE
        var calls = 0
        while (fewest > 0 && calls++ < 5) {
            val before = meter.getThreadAllocatedBytes(thread)
            work()
            fewest = minOf(fewest, meter.getThreadAllocatedBytes(thread) - before)
        }
        return fewest
    }
}
