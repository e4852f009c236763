package org.skinedge.core

import java.nio.ByteBuffer

/**
 * Camera frames to the model's input, with the bytes that the Python library gives for the same frame.
 *
 * YUV to RGB (see [RgbRows]), upright, the centre square, then the resize of `skinedge.image.to_input`.
 * Only pixels of the square are converted. Memory is allocated for the first frame of a size and reused;
 * a reader serves one thread at a time.
 *
 * @param inputWidth columns of the model's input
 * @param inputHeight rows of the model's input
 */
class FrameReader(val inputWidth: Int, val inputHeight: Int) {
    private val rows = RgbRows()
    private var side = 0
    private lateinit var line: RgbLine
    private lateinit var resize: Resize

    /**
     * Reads one frame.
     *
     * @param rotationDegrees how far to turn it clockwise to be upright: 0, 90, 180 or 270
     * @param input takes RGB uint8, row-major, `inputHeight * inputWidth * 3` bytes from index 0; its
     *   position is 0 afterwards
     * @throws FrameException for planes that do not hold such a frame, another rotation or an input
     *   that is too small
     */
    fun read(frame: YuvFrame, rotationDegrees: Int, input: ByteBuffer) {
        frame.check()
        if (rotationDegrees !in 0..270 || rotationDegrees % 90 != 0) {
            throw FrameException("frame is to be rotated by $rotationDegrees degrees; give 0, 90, 180 or 270")
        }
        checkInput(input, inputWidth, inputHeight)
        allocate(minOf(frame.width, frame.height))

        // The square is centred in the upright picture. Where an odd margin cannot be halved, a
        // turned picture therefore leaves the larger half on the sensor's other side.
        val spareColumns = frame.width - side
        val spareRows = frame.height - side
        val rightToLeft = rotationDegrees == 180 || rotationDegrees == 270
        val bottomToTop = rotationDegrees == 90 || rotationDegrees == 180
        val firstColumn = if (rightToLeft) spareColumns - spareColumns / 2 else spareColumns / 2
        val firstRow = if (bottomToTop) spareRows - spareRows / 2 else spareRows / 2

        val rowsStayRows = rotationDegrees % 180 == 0
        rows.open(frame, firstColumn, side, rightToLeft)
        for (i in 0 until side) {
            rows.read(firstRow + if (bottomToTop) side - 1 - i else i, line)
            if (rowsStayRows) resize.row(i, line) else resize.column(i, line)
        }
        resize.writeTo(input)
    }

    private fun allocate(side: Int) {
        if (side == this.side) return
        resize = resize(side, side, inputWidth, inputHeight)
        line = RgbLine(side)
        this.side = side
    }
}
