package org.skinedge.core

import java.nio.Buffer
import java.nio.ByteBuffer
import kotlin.math.abs

/**
 * Rows of a [YuvFrame] as RGB, converted as OpenCV does it.
 *
 * Android's camera2 delivers YUV_420_888 in the JFIF data space (frameworks/native,
 * libs/ui/PublicFormat.cpp): BT.601 in full range, chroma centred on 128. The conversion is that of
 * OpenCV's `COLOR_YCrCb2RGB` for 8 bits (modules/imgproc/src/color_yuv.simd.hpp, `YCrCb2RGB_i<uchar>`):
 * coefficients in 1/16384, each chroma term rounded half up, the sum cut to 0..255. A chroma sample
 * serves its block of 2 x 2 pixels unchanged (nearest neighbour).
 *
 * Memory is allocated when a frame needs more than any before it.
 */
class RgbRows {
    private var frame = YuvFrame()
    private var firstColumn = 0
    private var columns = 0
    private var reversed = false
    private var firstSample = 0
    private var samples = 0
    private var chromaBytes = 0

    private var luma = ByteArray(0)
    private var cb = ByteArray(0)
    private var cr = ByteArray(0)
    private var light = FloatArray(0)

    // What chroma adds to the light of each pixel, the same for the two rows of a block.
    private var red = FloatArray(0)
    private var green = FloatArray(0)
    private var blue = FloatArray(0)
    private var chromaRow = -1

    /**
     * Chooses what [read] gives: `columns` pixels from `firstColumn`, the last first if `reversed`, of a
     * frame that has passed [YuvFrame.check].
     */
    fun open(frame: YuvFrame, firstColumn: Int, columns: Int, reversed: Boolean) {
        this.frame = frame
        this.firstColumn = firstColumn
        this.columns = columns
        this.reversed = reversed
        firstSample = firstColumn / 2
        samples = (firstColumn + columns - 1) / 2 - firstSample + 1
        chromaBytes = (samples - 1) * frame.uvPixelStride + 1
        chromaRow = -1
        if (luma.size < columns) {
            luma = ByteArray(columns)
            light = FloatArray(columns)
            red = FloatArray(columns)
            green = FloatArray(columns)
            blue = FloatArray(columns)
        }
        if (cb.size < chromaBytes) {
            cb = ByteArray(chromaBytes)
            cr = ByteArray(chromaBytes)
        }
    }

    /** Writes the pixels of one row. */
    fun read(row: Int, line: RgbLine) {
        copy(frame.y, row * frame.yRowStride + firstColumn, columns, luma)
        if (reversed) {
            for (i in 0 until columns) light[columns - 1 - i] = VALUE[luma[i].toInt() and 0xff]
        } else {
            for (i in 0 until columns) light[i] = VALUE[luma[i].toInt() and 0xff]
        }
        if (row / 2 != chromaRow) {
            chromaRow = row / 2
            readChroma()
        }
        addToLight(red, line.red)
        addToLight(green, line.green)
        addToLight(blue, line.blue)
    }

    private fun addToLight(chroma: FloatArray, into: FloatArray) {
        for (i in 0 until columns) {
            val value = light[i] + chroma[i]
            // Cuts to 0..255, exactly, and without a branch or a call that would keep the loop scalar.
            into[i] = (abs(value) - abs(value - 255f) + 255f) * 0.5f
        }
    }

    private fun readChroma() {
        val step = frame.uvPixelStride
        val start = chromaRow * frame.uvRowStride + firstSample * step
        copy(frame.u, start, chromaBytes, cb)
        copy(frame.v, start, chromaBytes, cr)
        val before = firstColumn and 1
        for (sample in 0 until samples) {
            val u = (cb[sample * step].toInt() and 0xff) - 128
            val v = (cr[sample * step].toInt() and 0xff) - 128
            val pixel = 2 * sample - before
            val at = if (reversed) columns - 2 - pixel else pixel
            spread(red, at, CR_TO_RED * v)
            spread(green, at, CB_TO_GREEN * u + CR_TO_GREEN * v)
            spread(blue, at, CB_TO_BLUE * u)
        }
    }

    /** Sets both pixels of a block's row; of a block that the square's edge cuts there is only one. */
    private fun spread(chroma: FloatArray, at: Int, term: Int) {
        val value = (term + HALF shr SHIFT).toFloat()
        chroma[maxOf(at, 0)] = value
        chroma[minOf(at + 1, columns - 1)] = value
    }

    private fun copy(plane: ByteBuffer, offset: Int, bytes: Int, into: ByteArray) {
        val start = plane.position()
        plane.moveTo(start + offset)
        plane.get(into, 0, bytes)
        plane.moveTo(start)
    }

    private companion object {
        const val SHIFT = 14
        const val HALF = 1 shl (SHIFT - 1)
        const val CR_TO_RED = 22987
        const val CR_TO_GREEN = -11698
        const val CB_TO_GREEN = -5636
        const val CB_TO_BLUE = 29049

        // Of a byte as a float: faster to look up than to convert.
        val VALUE = FloatArray(256) { it.toFloat() }
    }
}

/** Sets the position through [Buffer]: ByteBuffer's own override is missing before Android 9. */
internal fun Buffer.moveTo(position: Int) {
    position(position)
}
