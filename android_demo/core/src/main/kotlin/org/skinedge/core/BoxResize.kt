package org.skinedge.core

import kotlin.math.abs

/**
 * Shrinks by averaging boxes of whole pixels: OpenCV's `INTER_AREA` for 8 bits where both scales are
 * whole numbers (modules/imgproc/src/resize.cpp, `resizeAreaFast_Invoker`), which sums integers.
 *
 * Sums of columns are whole numbers in a float, exact up to 65,793 of them; all others are integers,
 * exact up to 8 million pixels, where OpenCV's own overflow.
 */
internal class BoxResize(
    width: Int,
    private val height: Int,
    private val inputWidth: Int,
    private val inputHeight: Int,
) : Resize {
    private val boxWidth = width / inputWidth
    private val boxHeight = height / inputHeight
    private val share = 1f / (boxWidth * boxHeight)

    private val columnSums = RgbLine(height)
    private val sums = Array(3) { IntArray(maxOf(inputWidth, inputHeight)) }
    private val input = ByteArray(3 * inputWidth * inputHeight)

    override fun row(y: Int, line: RgbLine) {
        if (y % boxHeight == 0) for (channel in sums) channel.fill(0)
        addBoxes(line.red, sums[0], boxWidth, inputWidth)
        addBoxes(line.green, sums[1], boxWidth, inputWidth)
        addBoxes(line.blue, sums[2], boxWidth, inputWidth)
        if (y % boxHeight == boxHeight - 1) store(inputWidth, 3 * inputWidth * (y / boxHeight), 3)
    }

    override fun column(x: Int, line: RgbLine) {
        val begins = x % boxWidth == 0
        addColumn(line.red, columnSums.red, begins)
        addColumn(line.green, columnSums.green, begins)
        addColumn(line.blue, columnSums.blue, begins)
        if (x % boxWidth < boxWidth - 1) return
        for (channel in sums) channel.fill(0)
        addBoxes(columnSums.red, sums[0], boxHeight, inputHeight)
        addBoxes(columnSums.green, sums[1], boxHeight, inputHeight)
        addBoxes(columnSums.blue, sums[2], boxHeight, inputHeight)
        store(inputHeight, 3 * (x / boxWidth), 3 * inputWidth)
    }

    override fun input() = input

    private fun addColumn(line: FloatArray, sum: FloatArray, begins: Boolean) {
        if (begins) sum.fill(0f)
        for (i in 0 until height) sum[i] += line[i]
    }

    private fun addBoxes(values: FloatArray, sums: IntArray, length: Int, boxes: Int) {
        for (box in 0 until boxes) {
            var sum = 0
            for (i in box * length until (box + 1) * length) sum += values[i].toInt()
            sums[box] += sum
        }
    }

    private fun store(pixels: Int, start: Int, step: Int) {
        for (channel in 0 until 3) {
            for (i in 0 until pixels) input[start + channel + i * step] = mean(sums[channel][i])
        }
    }

    /** OpenCV rounds halves up for boxes of 2 x 2, and to the even neighbour for all others. */
    private fun mean(sum: Int): Byte =
        if (boxWidth == 2 && boxHeight == 2) (sum + 2 shr 2).toByte() else roundedByte(sum.toFloat() * share)

    companion object {
        /** Whether OpenCV takes the scale for a whole number: for 49 to 1, say, it does not. */
        fun isWhole(size: Int, inputSize: Int): Boolean {
            val scale = scale(size, inputSize)
            return abs(scale - Math.rint(scale)) < Math.ulp(1.0)
        }
    }
}
