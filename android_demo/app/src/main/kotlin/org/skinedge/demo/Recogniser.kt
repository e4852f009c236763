package org.skinedge.demo

import org.skinedge.core.Answer
import org.skinedge.core.Averaging
import org.skinedge.core.Classifier
import org.skinedge.core.FrameRate
import org.skinedge.core.FrameReader
import org.skinedge.core.Heatmap
import org.skinedge.core.PhotoReader
import org.skinedge.core.YuvFrame
import org.skinedge.core.topK

private const val MAX_THREADS = 4
private const val OVERLAY_STRENGTH = 0.5f

/** From a frame or photo to a [Reading]. Not thread-safe: it belongs to the analyser's thread. */
class Recogniser(asset: ModelAsset) : AutoCloseable {
    private val file = asset.file
    private val classifier =
        Classifier(file, asset.content, Runtime.getRuntime().availableProcessors().coerceAtMost(MAX_THREADS))
    private val frames = FrameReader(classifier.inputWidth, classifier.inputHeight)
    private val photos = PhotoReader(classifier.inputWidth, classifier.inputHeight)
    private val answer = classifier.newAnswer()
    private val averaging = Averaging(file.labels.size, file.mapWidth * file.mapHeight)
    private val heatmap = Heatmap()
    private val rate = FrameRate()

    /** Forgets the frames so far: the next one shows something else. */
    fun reset() {
        averaging.reset()
        rate.reset()
    }

    /**
     * Classifies a camera frame and averages it with those before.
     *
     * @param rotationDegrees clockwise, to stand upright.
     * @return false if `reading` was left alone because the screen still shows the one before.
     * @throws org.skinedge.core.FrameException the frame is not as Android promises.
     */
    fun frame(frame: YuvFrame, rotationDegrees: Int, reading: Reading): Boolean {
        val start = System.nanoTime()
        frames.read(frame, rotationDegrees, classifier.input)
        val prepared = System.nanoTime()
        classifier.run(answer)
        averaging.add(answer, start)
        val framesPerSecond = rate.add(start)
        if (!reading.take()) return false
        fill(reading, averaging.mean, prepared - start, framesPerSecond)
        return true
    }

    /**
     * Classifies a photo on its own.
     *
     * @param argb `[height * width]` straight ARGB, upright.
     */
    fun photo(argb: IntArray, width: Int, height: Int, reading: Reading) {
        val start = System.nanoTime()
        photos.read(argb, width, height, classifier.input)
        val prepared = System.nanoTime()
        classifier.run(answer)
        fill(reading, answer, prepared - start, null)
    }

    override fun close() = classifier.close()

    private fun fill(reading: Reading, shown: Answer, preparationNanos: Long, framesPerSecond: Double?) {
        shown.probabilities.copyInto(reading.probabilities)
        topK(reading.probabilities, reading.top.size, reading.top)
        heatmap.colours(shown.attention, OVERLAY_STRENGTH, reading.colours)
        reading.preparationMillis = preparationNanos / 1e6
        reading.inferenceMillis = answer.inferenceNanos / 1e6
        reading.framesPerSecond = framesPerSecond ?: 0.0
    }
}
