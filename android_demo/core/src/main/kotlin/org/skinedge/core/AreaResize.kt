package org.skinedge.core

import kotlin.math.ceil
import kotlin.math.floor

/**
 * Shrinks by averaging: OpenCV's `INTER_AREA` for 8 bits and fractional scales
 * (modules/imgproc/src/resize.cpp, `ResizeArea_Invoker`), in the same 32-bit floats and order: sums
 * run from left to right first, then from top to bottom, every product and sum rounded by itself, as
 * OpenCV's builds for x86-64 do. See [BoxResize] for whole scales.
 */
internal class AreaResize(
    width: Int,
    private val height: Int,
    private val inputWidth: Int,
    private val inputHeight: Int,
) : Resize {
    private val columns = AreaCells(width, inputWidth)
    private val rows = AreaCells(height, inputHeight)

    private val along = RgbLine(maxOf(inputWidth, inputHeight))
    private val sum = RgbLine(maxOf(inputWidth, height))
    private val input = ByteArray(3 * inputWidth * inputHeight)
    private var cell = 0

    override fun row(y: Int, line: RgbLine) {
        if (y == 0) cell = 0
        columns.sumAlong(line, along)
        while (cell < inputHeight && rows.first(cell) <= y) {
            rows.addTo(sum, cell, y, along, inputWidth)
            if (y < rows.last(cell)) return
            store(sum, inputWidth, 3 * inputWidth * cell, 3)
            cell++
        }
    }

    override fun column(x: Int, line: RgbLine) {
        if (x == 0) cell = 0
        while (cell < inputWidth && columns.first(cell) <= x) {
            columns.addTo(sum, cell, x, line, height)
            if (x < columns.last(cell)) return
            rows.sumAlong(sum, along)
            store(along, inputHeight, 3 * cell, 3 * inputWidth)
            cell++
        }
    }

    override fun input() = input

    private fun store(means: RgbLine, pixels: Int, start: Int, step: Int) {
        var at = start
        for (i in 0 until pixels) {
            input[at] = roundedByte(means.red[i])
            input[at + 1] = roundedByte(means.green[i])
            input[at + 2] = roundedByte(means.blue[i])
            at += step
        }
    }
}

/** OpenCV's `saturate_cast<uchar>` of a value that is not negative: halves go to the even neighbour. */
internal fun roundedByte(value: Float): Byte = minOf(Math.rint(value.toDouble()).toInt(), 255).toByte()

/**
 * Which pixels an input pixel's cell covers in one direction, and with what weight: OpenCV's
 * `computeResizeAreaTab`. Cells come in order and share at most one pixel with the next.
 */
private class AreaCells(size: Int, private val inputSize: Int) {
    private val first = IntArray(inputSize)
    private val offset = IntArray(inputSize + 1) // of a cell's first weight
    private val weights: FloatArray

    init {
        val scale = scale(size, inputSize)
        val found = FloatArray(size + 2 * inputSize)
        var count = 0
        for (cell in 0 until inputSize) {
            val start = cell * scale
            val end = start + scale
            val covered = minOf(scale, size - start)
            val last = minOf(floor(end).toInt(), size - 1)
            val full = minOf(ceil(start).toInt(), last)
            val partBefore = full - start > SLIVER
            first[cell] = if (partBefore) full - 1 else full
            if (partBefore) found[count++] = ((full - start) / covered).toFloat()
            repeat(last - full) { found[count++] = (1.0 / covered).toFloat() }
            if (end - last > SLIVER) {
                found[count++] = (minOf(end - last, 1.0, covered) / covered).toFloat()
            }
            offset[cell + 1] = count
        }
        weights = found.copyOf(count)
    }

    fun first(cell: Int) = first[cell]

    fun last(cell: Int) = first[cell] + offset[cell + 1] - offset[cell] - 1

    /** Averages `size` pixels of a line cell by cell into `inputSize`. */
    fun sumAlong(line: RgbLine, into: RgbLine) {
        for (cell in 0 until inputSize) {
            val back = first[cell] - offset[cell]
            var red = 0f
            var green = 0f
            var blue = 0f
            for (i in offset[cell] until offset[cell + 1]) {
                val weight = weights[i]
                red += line.red[back + i] * weight
                green += line.green[back + i] * weight
                blue += line.blue[back + i] * weight
            }
            into.red[cell] = red
            into.green[cell] = green
            into.blue[cell] = blue
        }
    }

    /** Adds `pixels` of the line at `position`, weighted for the cell; its first line begins the sum. */
    fun addTo(sum: RgbLine, cell: Int, position: Int, line: RgbLine, pixels: Int) {
        val weight = weights[offset[cell] + position - first[cell]]
        val begins = position == first[cell]
        add(sum.red, line.red, weight, begins, pixels)
        add(sum.green, line.green, weight, begins, pixels)
        add(sum.blue, line.blue, weight, begins, pixels)
    }

    private fun add(sum: FloatArray, values: FloatArray, weight: Float, begins: Boolean, count: Int) {
        if (begins) {
            for (i in 0 until count) sum[i] = values[i] * weight
        } else {
            for (i in 0 until count) sum[i] += values[i] * weight
        }
    }

    private companion object {
        const val SLIVER = 1e-3
    }
}
