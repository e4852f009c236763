package org.skinedge.core

import java.nio.ByteBuffer
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertThrows
import org.junit.Test

class PhotoReaderTest {
    private val reader = PhotoReader(2, 1)

    @Test
    fun transparencyIsLaidOverWhite() {
        val pixels = intArrayOf(0x00123456, 0x80000000.toInt())
        assertArrayEquals(byteArrayOf(-1, -1, -1, 127, 127, 127), bytes(pixels, 2, 1))
    }

    @Test
    fun anOpaquePhotoKeepsItsColours() {
        val pixels = intArrayOf(0xff010203.toInt(), 0xfffefdfc.toInt())
        assertArrayEquals(byteArrayOf(1, 2, 3, -2, -3, -4), bytes(pixels, 2, 1))
    }

    @Test
    fun alphaIsNotIgnored() {
        val photo = Scene.photo(20, 10, opaque = false)
        val opaque = Scene.photo(20, 10, opaque = true)
        assertFalse(bytes(photo, 20, 10).contentEquals(bytes(opaque, 20, 10)))
    }

    @Test
    fun badPhotosAreNamed() {
        refused("photo is 0 x 1 pixels; it needs at least 1 x 1", 0, 1)
        refused("photo has 2 pixels; 3 x 1 are needed", 3, 1)
        refused("photo has 2 pixels; 65536 x 65536 are needed", 65536, 65536)
    }

    private fun refused(message: String, width: Int, height: Int) {
        val error = assertThrows(FrameException::class.java) { bytes(IntArray(2), width, height) }
        assertEquals(message, error.message)
    }

    private fun bytes(pixels: IntArray, width: Int, height: Int): ByteArray {
        val input = ByteBuffer.allocate(6)
        reader.read(pixels, width, height, input)
        return input.array()
    }
}
