package org.skinedge.demo

import org.skinedge.core.ModelFile
import java.util.concurrent.atomic.AtomicBoolean

/**
 * What is shown of one frame or photo.
 *
 * One object goes to and fro between the analyser, which fills it after [take], and the screen,
 * which calls [release] once it has been shown: nothing is copied and nobody waits.
 *
 * @property probabilities in label order, 0 to 1.
 * @property top indices of the most probable labels, most probable first.
 * @property colours the attention map as straight ARGB, `[mapHeight * mapWidth]`; empty without one.
 * @property framesPerSecond 0 for a photo and for the first frame.
 */
class Reading(file: ModelFile) {
    val probabilities = FloatArray(file.labels.size)
    val top = IntArray(minOf(SHOWN_LABELS, file.labels.size))
    val colours = IntArray(file.mapWidth * file.mapHeight)
    var preparationMillis = 0.0
    var inferenceMillis = 0.0
    var framesPerSecond = 0.0

    private val taken = AtomicBoolean()

    /** Reserves the object for filling; false while the screen has it. */
    fun take(): Boolean = taken.compareAndSet(false, true)

    /** Gives the object back to be filled again. */
    fun release() = taken.set(false)

    companion object {
        const val SHOWN_LABELS = 3
    }
}
