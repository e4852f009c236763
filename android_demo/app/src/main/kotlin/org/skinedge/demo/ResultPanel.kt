package org.skinedge.demo

import android.graphics.Typeface
import android.os.SystemClock
import android.text.SpannableStringBuilder
import android.text.Spanned
import android.text.style.StyleSpan
import android.view.View
import android.view.ViewGroup
import android.widget.ProgressBar
import android.widget.TextView
import org.skinedge.core.Decision
import org.skinedge.core.ModelFile
import org.skinedge.core.decide
import kotlin.math.roundToInt

private const val REFRESH_MILLIS = 150L

/** The answer in words and bars. */
class ResultPanel(root: View) {
    private class Row(val view: View) {
        val label: TextView = view.findViewById(R.id.label)
        val probability: TextView = view.findViewById(R.id.probability)
        val bar: ProgressBar = view.findViewById(R.id.bar)
    }

    private val context = root.context
    private val answers: ViewGroup = root.findViewById(R.id.answers)
    private val rows = List(answers.childCount) { Row(answers.getChildAt(it)) }
    private val decisions: TextView = root.findViewById(R.id.decisions)
    private val speed: TextView = root.findViewById(R.id.speed)
    private var shownAt = 0L

    init {
        clear(context.getString(R.string.starting))
    }

    /** Shows a camera's reading, unless the last one has hardly been read yet. */
    fun showLive(file: ModelFile, reading: Reading) {
        val now = SystemClock.uptimeMillis()
        if (now - shownAt < REFRESH_MILLIS) return
        shownAt = now
        val timing = context.getString(
            R.string.live_speed, reading.framesPerSecond, reading.preparationMillis, reading.inferenceMillis,
        )
        show(file, reading, timing)
    }

    /** Shows a photo's reading. */
    fun showPhoto(file: ModelFile, reading: Reading) {
        val timing = context.getString(R.string.photo_speed, reading.preparationMillis, reading.inferenceMillis)
        show(file, reading, timing)
    }

    /** Shows no answer, but in small letters what is going on. */
    fun clear(progress: String) {
        shownAt = 0
        for (row in rows) {
            row.label.text = ""
            row.probability.text = ""
            row.bar.progress = 0
        }
        decisions.text = ""
        speed.text = progress
    }

    private fun show(file: ModelFile, reading: Reading, timing: String) {
        for ((rank, row) in rows.withIndex()) {
            row.view.visibility = if (rank < reading.top.size) View.VISIBLE else View.GONE
        }
        for ((row, index) in rows.zip(reading.top.asIterable())) {
            val probability = reading.probabilities[index]
            row.label.text = file.labels[index].name
            row.probability.text = context.getString(R.string.percent, 100 * probability)
            row.bar.progress = (row.bar.max * probability).roundToInt()
        }
        decisions.text = lines(file.decide(reading.probabilities))
        speed.text = timing
    }

    /** One line a decision, worded as the command line does; what is at or above stands out. */
    private fun lines(decisions: List<Decision>): CharSequence {
        val text = SpannableStringBuilder()
        for (decision in decisions) {
            val verdict = context.getString(if (decision.positive) R.string.at_or_above else R.string.below)
            val line = context.getString(
                R.string.decision, decision.target, 100 * decision.score, verdict, 100 * decision.threshold,
            )
            if (text.isNotEmpty()) text.append("\n")
            val start = text.length
            text.append(line)
            if (decision.positive) {
                text.setSpan(StyleSpan(Typeface.BOLD), start, text.length, Spanned.SPAN_EXCLUSIVE_EXCLUSIVE)
            }
        }
        return text
    }
}
