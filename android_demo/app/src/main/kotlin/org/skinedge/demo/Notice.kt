package org.skinedge.demo

import android.view.View
import android.widget.Button
import android.widget.TextView

/** A message over the picture, with at most one thing to do about it. */
class Notice(root: View) {
    private val box: View = root.findViewById(R.id.notice)
    private val text: TextView = root.findViewById(R.id.notice_text)
    private val button: Button = root.findViewById(R.id.notice_action)

    fun show(message: String) {
        text.text = message
        button.visibility = View.GONE
        box.visibility = View.VISIBLE
    }

    fun show(message: String, actionLabel: Int, action: () -> Unit) {
        show(message)
        button.setText(actionLabel)
        button.setOnClickListener { action() }
        button.visibility = View.VISIBLE
    }

    fun hide() {
        box.visibility = View.GONE
    }
}
