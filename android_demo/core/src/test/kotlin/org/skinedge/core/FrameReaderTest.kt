package org.skinedge.core

import java.nio.ByteBuffer
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertThrows
import org.junit.Test

class FrameReaderTest {
    private val reader = FrameReader(48, 48)
    private val frame = Scene.frame(88, 60, 101, 77, "nv21")

    @Test
    fun everyChromaPairIsConvertedAsByOpenCv() {
        val luma = ByteBuffer.allocate(512 * 512)
        for (i in 0 until 512 * 512) luma.put(i, (i % 512 * 7 xor i / 512 * 13).toByte())
        val u = ByteBuffer.allocate(256 * 256)
        val v = ByteBuffer.allocate(256 * 256)
        for (i in 0 until 256 * 256) {
            u.put(i, (i % 256).toByte())
            v.put(i, (i / 256).toByte())
        }
        val frame = YuvFrame().apply { set(512, 512, luma, 512, u, v, 256, 1) }
        assertEquals(GoldenPixels.cases.getString("every_chroma"), GoldenPixels.sha256(rgb(frame)))
    }

    @Test
    fun anotherRotationGivesOtherBytes() {
        val inputs = listOf(0, 90, 180, 270).map { reader.bytes(frame, it).toList() }
        assertEquals(4, inputs.toSet().size)
    }

    @Test
    fun swappedChromaGivesOtherBytes() {
        val right = reader.bytes(frame, 0)
        val u = frame.u
        frame.u = frame.v
        frame.v = u
        assertFalse(right.contentEquals(reader.bytes(frame, 0)))
    }

    @Test
    fun aWrongStrideGivesOtherBytes() {
        val right = reader.bytes(frame, 0)
        frame.uvRowStride -= 2
        assertFalse(right.contentEquals(reader.bytes(frame, 0)))
    }

    @Test
    fun layoutAndPaddingDoNotMatter() {
        val expected = reader.bytes(frame, 90)
        for (layout in listOf("planar", "nv12", "spaced")) {
            assertArrayEquals(layout, expected, reader.bytes(Scene.frame(88, 60, 101, 77, layout, 150, 301), 90))
        }
    }

    @Test
    fun aReaderTakesFramesOfChangingSize() {
        val small = Scene.frame(0, 0, 30, 40, "planar")
        val expected = listOf(reader.bytes(frame, 0), FrameReader(48, 48).bytes(small, 90))
        repeat(2) {
            assertArrayEquals(expected[0], reader.bytes(frame, 0))
            assertArrayEquals(expected[1], reader.bytes(small, 90))
        }
    }

    @Test
    fun buffersAreLeftAsTheyWere() {
        val buffers = listOf(frame.y, frame.u, frame.v)
        val before = buffers.map { it.position() to it.limit() }
        reader.bytes(frame, 180)
        assertEquals(before, buffers.map { it.position() to it.limit() })
    }

    @Test
    fun inputIsWrittenFromItsStartWhereverItStood() {
        val input = ByteBuffer.allocate(48 * 48 * 3 + 7)
        input.position(input.capacity())
        reader.read(frame, 0, input)
        assertEquals(0, input.position())
        assertEquals(input.capacity(), input.limit())
        assertArrayEquals(reader.bytes(frame, 0), input.array().copyOf(48 * 48 * 3))
    }

    @Test
    fun badFramesAreNamed() {
        refused("frame is 0 x 77 pixels; it needs at least 1 x 1") { width = 0 }
        refused("frame has a chroma pixel stride of 0; it must be 1 or more") { uvPixelStride = 0 }
        refused("plane y has a row stride of 100 bytes; its rows need at least 101") { yRowStride = 100 }
        refused("plane u has a row stride of 100 bytes; its rows need at least 101") { uvRowStride = 100 }
        refused("plane y holds 7776 bytes; a 101 x 77 frame needs 7777") { y.position(y.position() + 1) }
        refused("plane u holds 7852 bytes; a 101 x 77 frame needs 7853") { u.limit(u.limit() - 1) }
        refused("plane v holds 0 bytes; a 101 x 77 frame needs 7853") { v = ByteBuffer.allocate(0) }
        refused("plane y holds 7777 bytes; a 101 x 2147483647 frame needs 216895848347") { height = Int.MAX_VALUE }
    }

    @Test
    fun otherRotationsAreRefused() {
        for (rotation in listOf(-90, 1, 45, 360)) {
            val error = assertThrows(FrameException::class.java) { reader.bytes(frame, rotation) }
            assertEquals("frame is to be rotated by $rotation degrees; give 0, 90, 180 or 270", error.message)
        }
    }

    @Test
    fun anInputThatCannotTakeThePixelsIsRefused() {
        val tooSmall = assertThrows(FrameException::class.java) { reader.read(frame, 0, ByteBuffer.allocate(6911)) }
        assertEquals("input takes 6911 bytes; a 48 x 48 model needs 6912", tooSmall.message)
        val readOnly = ByteBuffer.allocate(6912).asReadOnlyBuffer()
        val fixed = assertThrows(FrameException::class.java) { reader.read(frame, 0, readOnly) }
        assertEquals("input is a read-only buffer; pass one that can be written", fixed.message)
    }

    private fun refused(message: String, spoil: YuvFrame.() -> Unit) {
        val spoiled = Scene.frame(88, 60, 101, 77, "nv21").apply(spoil)
        val error = assertThrows(FrameException::class.java) { reader.bytes(spoiled, 0) }
        assertEquals(message, error.message)
    }
}
