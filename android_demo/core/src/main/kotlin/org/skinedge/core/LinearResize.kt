package org.skinedge.core

import kotlin.math.floor

/**
 * Grows between neighbours: OpenCV's `INTER_LINEAR` for 8 bits (modules/imgproc/src/resize.cpp,
 * `HResizeLinear` and `VResizeLinear`), in the same fixed point. An image of the input's own size
 * comes out as it went in.
 */
internal class LinearResize(
    private val width: Int,
    private val height: Int,
    private val inputWidth: Int,
    private val inputHeight: Int,
) : Resize {
    private val columns = LinearTaps(width, inputWidth)
    private val rows = LinearTaps(height, inputHeight)
    private val image = ByteArray(3 * width * height)
    private val above = IntArray(3 * inputWidth)
    private val below = IntArray(3 * inputWidth)
    private val input = ByteArray(3 * inputWidth * inputHeight)

    override fun row(y: Int, line: RgbLine) = store(line, width, width * y, 1)

    override fun column(x: Int, line: RgbLine) = store(line, height, x, width)

    private fun store(line: RgbLine, pixels: Int, start: Int, step: Int) {
        for (i in 0 until pixels) {
            val at = 3 * (start + i * step)
            image[at] = line.red[i].toInt().toByte()
            image[at + 1] = line.green[i].toInt().toByte()
            image[at + 2] = line.blue[i].toInt().toByte()
        }
    }

    override fun input(): ByteArray {
        for (y in 0 until inputHeight) {
            // Past an edge both neighbours are the edge itself, with weights that are not merged:
            // each product is cut before the sum.
            val first = rows.first[y]
            mixColumns(first.coerceIn(0, height - 1), above)
            mixColumns((first + 1).coerceIn(0, height - 1), below)
            val near = rows.near[y]
            val far = rows.far[y]
            val start = 3 * inputWidth * y
            for (i in above.indices) {
                val sum = (near * (above[i] shr 4) shr 16) + (far * (below[i] shr 4) shr 16)
                input[start + i] = minOf(sum + 2 shr 2, 255).toByte()
            }
        }
        return input
    }

    private fun mixColumns(y: Int, into: IntArray) {
        for (x in 0 until inputWidth) {
            val left = columns.first[x].coerceIn(0, width - 1)
            val right = (columns.first[x] + 1).coerceIn(0, width - 1)
            for (channel in 0 until 3) {
                val a = image[3 * (width * y + left) + channel].toInt() and 0xff
                val b = image[3 * (width * y + right) + channel].toInt() and 0xff
                into[3 * x + channel] = a * columns.near[x] + b * columns.far[x]
            }
        }
    }
}

/** For each input pixel the first of its two neighbours, -1 to size - 1, and both weights in 1/2048. */
private class LinearTaps(size: Int, inputSize: Int) {
    val first = IntArray(inputSize)
    val near = IntArray(inputSize)
    val far = IntArray(inputSize)

    init {
        val scale = scale(size, inputSize)
        for (i in 0 until inputSize) {
            val centre = ((i + 0.5) * scale - 0.5).toFloat()
            first[i] = floor(centre).toInt()
            val fraction = centre - first[i]
            near[i] = weight(1f - fraction)
            far[i] = weight(fraction)
        }
    }

    private fun weight(share: Float) = Math.rint((share * 2048).toDouble()).toInt()
}
