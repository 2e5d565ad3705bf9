// One activity: camera or photograph, tiers as chips, adaptive runs, frames a second to hold.
plugins {
    id("com.android.application")
}

// The bundle that the app shows; name another with -Pbundle=FILE.
val bundle = providers.gradleProperty("bundle")
    .orElse("../../../../assets/models/camvid_exits.tflite")
val copyBundle = tasks.register<Copy>("copyBundle") {
    from(bundle.map { file(it) })
    into(layout.projectDirectory.dir("src/main/assets"))
    rename { "bundle.tflite" }
}

android {
    namespace = "io.tierseg.sample"
    compileSdk = 36

    defaultConfig {
        applicationId = "io.tierseg.sample"
        minSdk = 23
        targetSdk = 36
        versionCode = 1
        versionName = "1"
    }

    androidResources {
        noCompress += "tflite"
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_1_8
        targetCompatibility = JavaVersion.VERSION_1_8
    }
}

tasks.named("preBuild") {
    dependsOn(copyBundle)
}

dependencies {
    implementation(project(":tierseg"))
    implementation("androidx.activity:activity-ktx:1.10.1")
    implementation("androidx.appcompat:appcompat:1.7.0")
    implementation("androidx.camera:camera-camera2:1.4.2")
    implementation("androidx.camera:camera-core:1.4.2")
    implementation("androidx.camera:camera-lifecycle:1.4.2")
    implementation("com.google.android.material:material:1.12.0")
}
