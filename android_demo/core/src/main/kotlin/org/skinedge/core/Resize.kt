package org.skinedge.core

import java.nio.ByteBuffer

/**
 * An upright RGB image, given line by line, to the model's input: `to_input` of the Python library's
 * `skinedge.image`, bit for bit.
 *
 * Either all rows are given, from the top, or all columns, from the left: a frame rotated by a quarter
 * turn delivers columns. Both give the same bytes.
 */
internal interface Resize {
    /** Takes upright row `y`, `width` pixels. */
    fun row(y: Int, line: RgbLine)

    /** Takes upright column `x`, `height` pixels. */
    fun column(x: Int, line: RgbLine)

    /** The model's input after the last line, `[inputHeight * inputWidth * 3]`; good until the next image. */
    fun input(): ByteArray
}

/** The resize that `to_input` takes for these sizes: averaging where no direction grows, else bilinear. */
internal fun resize(width: Int, height: Int, inputWidth: Int, inputHeight: Int): Resize = when {
    width == inputWidth && height == inputHeight || width < inputWidth || height < inputHeight ->
        LinearResize(width, height, inputWidth, inputHeight)
    BoxResize.isWhole(width, inputWidth) && BoxResize.isWhole(height, inputHeight) ->
        BoxResize(width, height, inputWidth, inputHeight)
    else -> AreaResize(width, height, inputWidth, inputHeight)
}

/** Source pixels per input pixel, with the rounding of OpenCV, which divides twice. */
internal fun scale(size: Int, inputSize: Int): Double = 1.0 / (inputSize.toDouble() / size)

/** @throws FrameException unless `input` takes RGB uint8 of this size from its start. */
internal fun checkInput(input: ByteBuffer, width: Int, height: Int) {
    val needed = 3 * width * height
    if (input.isReadOnly) throw FrameException("input is a read-only buffer; pass one that can be written")
    if (input.limit() < needed) {
        throw FrameException("input takes ${input.limit()} bytes; a $width x $height model needs $needed")
    }
}

internal fun Resize.writeTo(input: ByteBuffer) {
    input.moveTo(0)
    input.put(input())
    input.moveTo(0)
}
