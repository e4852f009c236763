package org.skinedge.core

import java.awt.image.BufferedImage
import java.io.ByteArrayOutputStream
import javax.imageio.ImageIO
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Test

class CompleteJpegTest {
    private val photo = ByteArrayOutputStream().also {
        val picture = BufferedImage(40, 30, BufferedImage.TYPE_INT_RGB)
        for (x in 0 until 40) for (y in 0 until 30) picture.setRGB(x, y, 0x010307 * x * y)
        ImageIO.write(picture, "jpeg", it)
    }.toByteArray()

    private fun complete(bytes: ByteArray) = isCompleteJpeg(bytes.inputStream())

    @Test
    fun `a photo has its end`() = assertTrue(complete(photo))

    @Test
    fun `what follows the end does not matter`() = assertTrue(complete(photo + ByteArray(100)))

    @Test
    fun `every photo that is cut short has none`() {
        for (length in 0 until photo.size - 1) assertFalse("$length bytes", complete(photo.copyOf(length)))
    }

    @Test
    fun `a thumbnail's end is not the photo's`() {
        val segment = byteArrayOf(-1, 0xE1.toByte(), (photo.size + 2 shr 8).toByte(), (photo.size + 2).toByte())
        val withThumbnail = photo.copyOf(2) + segment + photo + photo.copyOfRange(2, photo.size)
        assertTrue(complete(withThumbnail))
        assertFalse(complete(withThumbnail.copyOf(withThumbnail.size - 2)))
    }
}
