package org.skinedge.core

import java.nio.ByteBuffer

/**
 * A picked photo to the model's input, with the bytes that `read` and `to_input` of the Python
 * library's `skinedge.image` give for the same pixels.
 *
 * The whole image is taken, without a crop; the aspect ratio is not kept.
 *
 * @param inputWidth columns of the model's input
 * @param inputHeight rows of the model's input
 */
class PhotoReader(val inputWidth: Int, val inputHeight: Int) {
    /**
     * Reads one upright photo.
     *
     * @param argb `height` rows of `width` pixels as `Bitmap.getPixels` gives them: 0xAARRGGBB, alpha
     *   straight; transparency is laid over white. Android keeps bitmaps premultiplied unless asked
     *   otherwise, and undoing that loses bits of a transparent photo: decode it unpremultiplied.
     * @param input takes RGB uint8, row-major, `inputHeight * inputWidth * 3` bytes from index 0; its
     *   position is 0 afterwards
     * @throws FrameException for an array that does not hold the photo, or an input that is too small
     */
    fun read(argb: IntArray, width: Int, height: Int, input: ByteBuffer) {
        if (width < 1 || height < 1) {
            throw FrameException("photo is $width x $height pixels; it needs at least 1 x 1")
        }
        if (argb.size < width.toLong() * height) {
            throw FrameException("photo has ${argb.size} pixels; $width x $height are needed")
        }
        checkInput(input, inputWidth, inputHeight)
        val resize = resize(width, height, inputWidth, inputHeight)
        val line = RgbLine(width)
        for (y in 0 until height) {
            for (x in 0 until width) {
                val pixel = argb[y * width + x]
                val alpha = pixel ushr 24
                line.red[x] = overWhite(pixel shr 16 and 0xff, alpha)
                line.green[x] = overWhite(pixel shr 8 and 0xff, alpha)
                line.blue[x] = overWhite(pixel and 0xff, alpha)
            }
            resize.row(y, line)
        }
        resize.writeTo(input)
    }

    private fun overWhite(value: Int, alpha: Int) = ((value * alpha + 255 * (255 - alpha) + 127) / 255).toFloat()
}
