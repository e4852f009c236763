package org.skinedge.demo

import android.Manifest
import android.app.Activity
import android.content.ActivityNotFoundException
import android.content.Intent
import android.content.pm.PackageManager
import android.net.Uri
import android.os.Bundle
import android.provider.Settings

private const val REQUEST = 1
private const val REQUESTS = "cameraRequests"
private const val REFUSED_FOR_GOOD = "cameraRefusedForGood"

/** The camera permission, from first asking to "don't ask again". */
class CameraPermission(private val activity: Activity, private val notice: Notice, saved: Bundle?) {
    val granted: Boolean
        get() = activity.checkSelfPermission(Manifest.permission.CAMERA) == PackageManager.PERMISSION_GRANTED

    private val rationaleDue: Boolean
        get() = activity.shouldShowRequestPermissionRationale(Manifest.permission.CAMERA)

    private var requests = saved?.getInt(REQUESTS) ?: 0
    private var refusedForGood = saved?.getBoolean(REFUSED_FOR_GOOD) == true

    fun save(state: Bundle) {
        state.putInt(REQUESTS, requests)
        state.putBoolean(REFUSED_FOR_GOOD, refusedForGood)
    }

    /** Asks at once the first time; later says why, or where a refusal can be taken back. */
    fun ask() {
        when {
            refusedForGood ->
                notice.show(text(R.string.camera_refused), R.string.open_settings, ::openSettings)
            requests > 0 || rationaleDue ->
                notice.show(text(R.string.camera_rationale), R.string.allow_camera, ::request)
            else -> request()
        }
    }

    /** Takes the answer; to be called from `onRequestPermissionsResult`, before [granted] or [ask]. */
    fun onResult(requestCode: Int, results: IntArray) {
        // Without results the question was interrupted, not answered.
        if (requestCode != REQUEST || results.isEmpty()) return
        // A question that was only dismissed looks the same the first time, and may be asked again.
        refusedForGood = !granted && !rationaleDue && requests > 1
    }

    private fun request() {
        requests++
        activity.requestPermissions(arrayOf(Manifest.permission.CAMERA), REQUEST)
    }

    private fun text(id: Int): String = activity.getString(id)

    private fun openSettings() {
        val settings = Intent(
            Settings.ACTION_APPLICATION_DETAILS_SETTINGS,
            Uri.fromParts("package", activity.packageName, null),
        )
        try {
            activity.startActivity(settings)
        } catch (_: ActivityNotFoundException) {  // a device may hide its settings
            notice.show(text(R.string.camera_refused))
        }
    }
}
