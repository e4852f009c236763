package org.skinedge.demo

import android.os.Build
import android.view.View
import android.view.WindowInsets

/**
 * Keeps a screen's content clear of system bars and cut-outs, which Android 15 draws over the app.
 * Before Android 11 the window keeps clear by itself.
 */
fun View.padForSystemBars() {
    if (Build.VERSION.SDK_INT < 30) return
    setOnApplyWindowInsetsListener { view, insets ->
        val bars = insets.getInsets(WindowInsets.Type.systemBars() or WindowInsets.Type.displayCutout())
        view.setPadding(bars.left, bars.top, bars.right, bars.bottom)
        WindowInsets.CONSUMED
    }
}
